package cloud_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/windtunnel/cloud"
)

func TestCatalogue(t *testing.T) {
	all := cloud.Catalogue()
	require.Len(t, all, 6*4+4)
	require.True(t, slices.IsSortedFunc(all, func(a, b cloud.Type) int { return cmp.Compare(a.Price, b.Price) }))
	require.Equal(t, "t3.medium", all[0].Name)
	for _, c := range []struct {
		name, arch         string
		vcpu, memory, pods int
		price              float64
	}{
		{"t3.medium", "amd64", 2, 4096, 17, 0.0416},
		{"t3.large", "amd64", 2, 8192, 35, 0.0832},
		{"t3.2xlarge", "amd64", 8, 32768, 58, 0.3328},
		{"m5.large", "amd64", 2, 8192, 29, 0.0960},
		{"m6i.xlarge", "amd64", 4, 16384, 58, 0.1920},
		{"m7i.4xlarge", "amd64", 16, 65536, 234, 0.8064},
		{"m7g.2xlarge", "arm64", 8, 32768, 58, 0.3264},
		{"c6i.large", "amd64", 2, 4096, 29, 0.0850},
		{"c7g.4xlarge", "arm64", 16, 32768, 234, 0.5800},
	} {
		got, err := cloud.Find(c.name)
		require.NoError(t, err)
		require.Equal(t, c.name, got.Family()+"."+got.Size())
		require.Equal(t, c.arch, got.Arch, c.name)
		require.Equal(t, []int{c.vcpu, c.memory, c.pods}, []int{got.VCPU, got.MemoryMiB, got.MaxPods}, c.name)
		require.InDelta(t, c.price, got.Price, 1e-9, c.name)
	}
	_, err := cloud.Find("m5.huge")
	require.ErrorContains(t, err, `no instance type "m5.huge"`)
	require.ErrorContains(t, err, "m5.large, m5.xlarge")
}

// TestAllocatable holds the formula to what nodes of the m family report.
func TestAllocatable(t *testing.T) {
	for name, want := range map[string]struct{ milliCPU, mebibytes int64 }{
		"m5.large": {1930, 6903}, "m6i.xlarge": {3920, 14162}, "m7i.2xlarge": {7910, 29317}, "m7g.4xlarge": {15890, 57691},
	} {
		instance, err := cloud.Find(name)
		require.NoError(t, err)
		got := instance.Allocatable()
		require.Equal(t, want.milliCPU, got.Cpu().MilliValue(), name)
		require.Equal(t, want.mebibytes, got.Memory().Value()>>20, name)
		require.Equal(t, int64(instance.MaxPods), got.Pods().Value(), name)
		capacity := instance.Capacity()
		require.Equal(t, 1, capacity.Memory().Cmp(*got.Memory()), name)
		require.Equal(t, int64(instance.VCPU), capacity.Cpu().Value(), name)
	}
}

func TestBootTimes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, boot := range []cloud.Boot{cloud.KarpenterBoot(), cloud.GroupBoot(), {Shortest: time.Minute, Longest: time.Minute}} {
		require.NoError(t, boot.Check())
		var logs float64
		const n = 20_000
		for range n {
			took := boot.Draw(r)
			require.GreaterOrEqual(t, took, boot.Shortest-time.Microsecond)
			require.LessOrEqual(t, took, boot.Longest+time.Microsecond)
			logs += math.Log(took.Seconds())
		}
		middle := math.Sqrt(boot.Shortest.Seconds() * boot.Longest.Seconds())
		got := math.Exp(logs / n)
		require.InEpsilon(t, middle, got, 0.01)
	}
	require.Error(t, cloud.Boot{}.Check())
	require.Error(t, cloud.Boot{Shortest: 2, Longest: 1}.Check())
}

func TestSpotPrices(t *testing.T) {
	instance, err := cloud.Find("m5.large")
	require.NoError(t, err)
	spot := cloud.DefaultSpot()
	require.NoError(t, spot.Check())

	// The same standard deviation in the long run whatever the step is.
	for _, step := range []time.Duration{time.Hour, 24 * time.Hour} {
		r := rand.New(rand.NewPCG(3, 4))
		market := spot.Market(instance, r)
		var sum, squares float64
		const n = 100_000
		for range n {
			market.Advance(step, r)
			require.LessOrEqual(t, market.Price(), instance.Price)
			x := math.Log(market.Price() / instance.Price)
			sum += x
			squares += x * x
		}
		mean := sum / n
		require.InDelta(t, math.Log(0.7), mean, 0.005)
		require.InEpsilon(t, 0.08, math.Sqrt(squares/n-mean*mean), 0.05)
	}

	calm := spot
	calm.Volatility = 0
	r := rand.New(rand.NewPCG(5, 6))
	market := calm.Market(instance, r)
	market.Advance(time.Hour, r)
	require.InDelta(t, 0.7*0.096, market.Price(), 1e-12)
}

func TestSpotInterruptions(t *testing.T) {
	spot := cloud.DefaultSpot()
	spot.InterruptionsPerHour = 0.5
	r := rand.New(rand.NewPCG(7, 8))
	var hours float64
	const n = 50_000
	for range n {
		life, ends := spot.Lifetime(r)
		require.True(t, ends)
		hours += life.Hours()
	}
	require.InEpsilon(t, 2, hours/n, 0.02)

	spot.InterruptionsPerHour = 0
	_, ends := spot.Lifetime(r)
	require.False(t, ends)
}

func TestSpotCheck(t *testing.T) {
	for name, spoil := range map[string]func(*cloud.Spot){
		"free":             func(s *cloud.Spot) { s.Discount = 0 },
		"dearer":           func(s *cloud.Spot) { s.Discount = 1.2 },
		"volatility":       func(s *cloud.Spot) { s.Volatility = -1 },
		"no memory":        func(s *cloud.Spot) { s.Memory = 0 },
		"negative rate":    func(s *cloud.Spot) { s.InterruptionsPerHour = -1 },
		"negative warning": func(s *cloud.Spot) { s.Notice = -1 },
	} {
		spot := cloud.DefaultSpot()
		spoil(&spot)
		require.Error(t, spot.Check(), name)
	}
}
