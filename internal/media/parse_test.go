package media

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParseProbe(f *testing.F) {
	f.Add([]byte(`{"packets":[{"stream_index":0}],"streams":[{"codec_name":"h264","codec_type":"video","codec_tag_string":"avc1","width":160,
		"height":120,"start_time":"0.000000","disposition":{"default":1},"side_data_list":[{"rotation":-90}]},{"codec_name":"aac","codec_type":"audio",
		"sample_rate":"44100","channels":1,"start_time":"5.0","duration":"6.0","tags":{"language":"und"}}],"format":{"format_name":"mov","start_time":"0","duration":"6"}}`))
	f.Add([]byte(`{"streams":[{"codec_type":"audio","start_time":"N/A","duration":"-1e300","sample_rate":"x"}],"format":{"duration":"NaN"}}`))
	f.Fuzz(func(t *testing.T, out []byte) {
		info, err := parseProbe(out)
		if err != nil {
			return
		}
		require.NotEmpty(t, info.Audio)
		require.GreaterOrEqual(t, int64(info.Duration), int64(0))
		for i, track := range info.Audio {
			require.Equal(t, i, track.Index)
			require.GreaterOrEqual(t, int64(track.Duration), int64(0))
		}
		if info.Video != nil {
			require.Contains(t, []int{0, 90, 180, 270}, info.Video.Rotation)
		}
	})
}
