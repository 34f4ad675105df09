package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/wait"
)

// The two ends of the cable between the machine and the node. The addresses are of the range for benchmarks (RFC 2544),
// which is in nobody's network.
const (
	hostLink = "captions0"
	nodeLink = "eth0"
	hostIP   = "198.18.0.1"
	nodeIP   = "198.18.0.2"
	linkMask = "/30"
)

// linkOutside lays the cable to the network of a process. It goes with that.
func linkOutside(pid int) error {
	cable := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: hostLink}, PeerName: nodeLink, PeerNamespace: netlink.NsPid(pid)}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("network of the node: %w", err)
	}
	return addressed(hostLink, hostIP)
}

// unlinkOutside takes the cable away, which the kernel does too, but later.
func unlinkOutside() error {
	link, err := netlink.LinkByName(hostLink)
	if err == nil {
		err = netlink.LinkDel(link)
	}
	// Seen from inside, and mostly from outside too, it is gone.
	if errors.As(err, &netlink.LinkNotFoundError{}) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// linkInside takes the cable up at the node's end.
func linkInside(ctx context.Context) error {
	err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		_, err := netlink.LinkByName(nodeLink)
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("network of the node: nobody has laid the cable: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("network of the node: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("network of the node: %w", err)
	}
	if err := addressed(nodeLink, nodeIP); err != nil {
		return err
	}
	// Without a default route, Kubernetes takes itself to be on no network.
	if err := netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(hostIP)}); err != nil {
		return fmt.Errorf("network of the node: %w", err)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

// addressed takes a link up, with an address.
func addressed(name, ip string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("network of the node: %w", err)
	}
	address, err := netlink.ParseAddr(ip + linkMask)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("network of the node: address of %s: %w", name, err)
	}
	return netlink.LinkSetUp(link)
}
