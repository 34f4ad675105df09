package scenario

// VPA is flags of the Vertical Pod Autoscaler's recommender; what is not set has the recommender's own default.
type VPA struct {
	// PodMinCPU (--pod-recommendation-min-cpu-millicores, 25m) and PodMinMemory (--pod-recommendation-min-memory-mb, 250Mi) are the
	// least that is recommended for a pod, whatever its policy says.
	PodMinCPU    Cores `yaml:"podMinCPU"`
	PodMinMemory Bytes `yaml:"podMinMemory"`
}
