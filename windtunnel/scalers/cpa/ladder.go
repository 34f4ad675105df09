package cpa

import (
	"fmt"
	"sort"
)

// ladderParams is the value of the key ladder. The names of these types are part of the original's errors.
type ladderParams struct {
	CoresToReplicas           paramEntries `json:"coresToReplicas"`
	NodesToReplicas           paramEntries `json:"nodesToReplicas"`
	IncludeUnschedulableNodes bool         `json:"includeUnschedulableNodes"`
}

type paramEntries []paramEntry

// paramEntry is a step: from so many cores or nodes on, so many replicas. A third number in JSON is dropped and a missing
// one is 0, as in the original, because it is an array.
type paramEntry [2]int

func parseLadder(text string) (Policy, error) {
	var p ladderParams
	if err := decode(text, &p, "laddercontroller"); err != nil {
		return nil, err
	}
	if err := p.CoresToReplicas.check("cores_to_replicas_map"); err != nil {
		return nil, err
	}
	if err := p.NodesToReplicas.check("nodes_to_replicas_map"); err != nil {
		return nil, err
	}
	// Not a stable sort, on purpose: of two steps at the same threshold the original takes what its sort leaves last.
	sort.Sort(p.CoresToReplicas)
	sort.Sort(p.NodesToReplicas)
	return ladder(p), nil
}

func (s paramEntries) check(name string) error {
	for _, step := range s {
		if step[0] < 0 || step[1] < 0 {
			return fmt.Errorf("invalid negative values in entry %v in %s", step, name)
		}
	}
	return nil
}

func (s paramEntries) Len() int           { return len(s) }
func (s paramEntries) Less(i, j int) bool { return s[i][0] < s[j][0] }
func (s paramEntries) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

type ladder ladderParams

func (ladder) Mode() string { return modeLadder }

// Replicas is the larger of the two ladders' answers.
func (p ladder) Replicas(size Size) int32 {
	nodes, cores := size.counted(p.IncludeUnschedulableNodes)
	return int32(max(p.CoresToReplicas.replicas(int(cores)), p.NodesToReplicas.replicas(int(nodes))))
}

// replicas is the last step whose threshold is reached; below all of them the first step applies, and no steps mean 0.
func (s paramEntries) replicas(resources int) int {
	if len(s) == 0 {
		return 0
	}
	above := sort.Search(len(s), func(i int) bool { return resources < s[i][0] })
	return s[max(above-1, 0)][1]
}
