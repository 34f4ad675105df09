package controlplane

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"net"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"
)

// frontProxy is what the API server calls itself towards the servers of other APIs.
const frontProxy = "front-proxy-client"

// user is who a client certificate speaks for.
type user struct {
	name   string
	groups []string
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// pki is the authorities of a control plane: one for itself and its users, one for the API server as a proxy.
type pki struct {
	dir string
	ca  authority
}

// newPKI writes the keys and certificates that kubeadm would, by kubeadm's own functions.
func newPKI(dir, address string) (*pki, error) {
	if err := mkdir(dir); err != nil {
		return nil, err
	}
	p := &pki{dir: dir}
	var err error
	if p.ca, err = newAuthority(dir, "ca", "kubernetes"); err != nil {
		return nil, err
	}
	front, err := newAuthority(dir, "front-proxy-ca", "front-proxy-ca")
	if err != nil {
		return nil, err
	}
	ips := []net.IP{net.ParseIP(loopback), net.ParseIP(serviceIP)}
	if address != "" {
		ips = append(ips, net.ParseIP(address))
	}
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, c := range []struct {
		file      string
		authority authority
		config    cert.Config
	}{
		{"etcd", p.ca, cert.Config{CommonName: "etcd", Usages: server, AltNames: cert.AltNames{IPs: ips[:1]}}},
		{"apiserver", p.ca, cert.Config{CommonName: "kube-apiserver", Usages: server[:1], AltNames: cert.AltNames{IPs: ips, DNSNames: names}}},
		{"apiserver-etcd-client", p.ca, cert.Config{CommonName: "kube-apiserver-etcd-client", Usages: client}},
		{"apiserver-kubelet-client", p.ca, cert.Config{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}, Usages: client}},
		{"front-proxy-client", front, cert.Config{CommonName: frontProxy, Usages: client}},
	} {
		if err := c.authority.issue(dir, c.file, c.config); err != nil {
			return nil, err
		}
	}
	key, err := pkiutil.NewPrivateKey(algorithm)
	if err != nil {
		return nil, err
	}
	if err := pkiutil.WriteKey(dir, "sa", key); err != nil {
		return nil, err
	}
	return p, pkiutil.WritePublicKey(dir, "sa", key.Public())
}

// algorithm is the one whose keys are made in no time.
const algorithm = kubeadm.EncryptionAlgorithmECDSAP256

func newAuthority(dir, file, name string) (authority, error) {
	cert, key, err := pkiutil.NewCertificateAuthority(&pkiutil.CertConfig{
		Config: cert.Config{CommonName: name}, EncryptionAlgorithm: algorithm,
	})
	if err != nil {
		return authority{}, err
	}
	return authority{cert, key}, pkiutil.WriteCertAndKey(dir, file, cert, key)
}

// issue writes a certificate and its key into files.
func (a authority) issue(dir, file string, config cert.Config) error {
	c, key, err := pkiutil.NewCertAndKey(a.cert, a.key, &pkiutil.CertConfig{Config: config, EncryptionAlgorithm: algorithm})
	if err != nil {
		return err
	}
	return pkiutil.WriteCertAndKey(dir, file, c, key)
}

// kubeconfig lets a user in.
func (p *pki) kubeconfig(url string, u user) (*clientcmdapi.Config, error) {
	c, key, err := pkiutil.NewCertAndKey(p.ca.cert, p.ca.key, &pkiutil.CertConfig{
		Config:              cert.Config{CommonName: u.name, Organization: u.groups, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
		EncryptionAlgorithm: algorithm,
	})
	if err != nil {
		return nil, err
	}
	pem, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, err
	}
	return p.config(url, &clientcmdapi.AuthInfo{ClientCertificateData: pkiutil.EncodeCertPEM(c), ClientKeyData: pem}), nil
}

func (p *pki) config(url string, auth *clientcmdapi.AuthInfo) *clientcmdapi.Config {
	const name = "controlplane"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: url, CertificateAuthorityData: pkiutil.EncodeCertPEM(p.ca.cert)}
	config.AuthInfos[name] = auth
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	return config
}

// ServingCertificate writes a certificate for a server of the given names on the loopback address, and returns the files
// of the certificate, of its key, and of the authority.
func (cp *ControlPlane) ServingCertificate(file string, names ...string) (certFile, keyFile, caFile string, err error) {
	err = cp.pki.ca.issue(cp.pki.dir, file, cert.Config{
		CommonName: names[0],
		Usages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		AltNames:   cert.AltNames{DNSNames: names, IPs: []net.IP{net.ParseIP(loopback)}},
	})
	if err != nil {
		return "", "", "", fmt.Errorf("certificate of %s: %w", file, err)
	}
	certFile, keyFile = pkiutil.PathsForCertAndKey(cp.pki.dir, file)
	caFile, _ = pkiutil.PathsForCertAndKey(cp.pki.dir, "ca")
	return certFile, keyFile, caFile, nil
}

// CA is the file of the authority that the certificates of users come from.
func (cp *ControlPlane) CA() string {
	file, _ := pkiutil.PathsForCertAndKey(cp.pki.dir, "ca")
	return file
}

// FrontProxyCA is the file of the authority that the API server's certificate as a proxy comes from.
func (cp *ControlPlane) FrontProxyCA() string {
	file, _ := pkiutil.PathsForCertAndKey(cp.pki.dir, "front-proxy-ca")
	return file
}
