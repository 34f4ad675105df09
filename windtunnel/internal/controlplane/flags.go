package controlplane

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
)

// layout is where the files and the ports of a control plane are; the flags of its parts follow from it.
type layout struct {
	dir                      string
	address                  string // empty for the loopback address
	etcdPort, peerPort, port int
}

func (l layout) pki(name string) string { return filepath.Join(l.dir, "pki", name) }

func (l layout) kubeconfig(name string) string { return filepath.Join(l.dir, name+".kubeconfig") }

func (l layout) bind() string {
	if l.address == "" {
		return loopback
	}
	return l.address
}

func (l layout) url() string { return "https://" + net.JoinHostPort(l.bind(), strconv.Itoa(l.port)) }

func (l layout) etcdURL() string { return fmt.Sprintf("https://%s:%d", loopback, l.etcdPort) }

const (
	loopback = "127.0.0.1"
	// serviceRange is kubeadm's default; its first address is that of the service kubernetes.
	serviceRange = "10.96.0.0/12"
	serviceIP    = "10.96.0.1"
	// nowhere is an address for documentation, which nobody has.
	nowhere = "192.0.2.1"
)

func (l layout) etcdFlags() []string {
	peer := fmt.Sprintf("http://%s:%d", loopback, l.peerPort)
	return []string{
		"--data-dir=" + filepath.Join(l.dir, "etcd"),
		"--listen-client-urls=" + l.etcdURL(),
		"--advertise-client-urls=" + l.etcdURL(),
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--client-cert-auth",
		"--trusted-ca-file=" + l.pki("ca.crt"),
		"--cert-file=" + l.pki("etcd.crt"),
		"--key-file=" + l.pki("etcd.key"),
		"--log-level=warn",
		// The data does not outlive the control plane, so it need not survive a power cut.
		"--unsafe-no-fsync",
	}
}

func (l layout) apiServerFlags() []string {
	flags := []string{
		"--etcd-servers=" + l.etcdURL(),
		"--etcd-cafile=" + l.pki("ca.crt"),
		"--etcd-certfile=" + l.pki("apiserver-etcd-client.crt"),
		"--etcd-keyfile=" + l.pki("apiserver-etcd-client.key"),
		"--bind-address=" + l.bind(),
		"--secure-port=" + strconv.Itoa(l.port),
		"--tls-cert-file=" + l.pki("apiserver.crt"),
		"--tls-private-key-file=" + l.pki("apiserver.key"),
		"--client-ca-file=" + l.pki("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + serviceRange,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + l.pki("sa.pub"),
		"--service-account-signing-key-file=" + l.pki("sa.key"),
		// The aggregation layer: servers of other APIs believe who has the proxy's certificate, and nobody else.
		"--requestheader-client-ca-file=" + l.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=" + frontProxy,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + l.pki("front-proxy-client.crt"),
		"--proxy-client-key-file=" + l.pki("front-proxy-client.key"),
		"--kubelet-client-certificate=" + l.pki("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + l.pki("apiserver-kubelet-client.key"),
		// Names of nodes are in no DNS.
		"--kubelet-preferred-address-types=InternalIP",
	}
	if l.address == "" {
		// Without an address of the machine's own, which there need not be, the service kubernetes has no endpoint.
		return append(flags, "--advertise-address="+nowhere, "--endpoint-reconciler-type=none")
	}
	return append(flags, "--advertise-address="+l.address)
}

func (l layout) controllerFlags() []string {
	return []string{
		"--kubeconfig=" + l.kubeconfig(Controller),
		"--secure-port=0",
		"--leader-elect=false",
		"--controllers=*",
		// Each controller is held to the rights of its own account.
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + l.pki("sa.key"),
		"--root-ca-file=" + l.pki("ca.crt"),
		"--cluster-signing-cert-file=" + l.pki("ca.crt"),
		"--cluster-signing-key-file=" + l.pki("ca.key"),
	}
}

func (l layout) schedulerFlags() []string {
	return []string{
		"--kubeconfig=" + l.kubeconfig(Scheduler),
		"--secure-port=0",
		"--leader-elect=false",
	}
}
