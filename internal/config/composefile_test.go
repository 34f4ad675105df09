package config_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/config"
)

const root = "../../"

// The file for Docker Compose names settings of the programs: one that is renamed, removed or newly required must not
// be forgotten there. Docker itself does the rest, which cannot be run everywhere that the tests run.
func TestTheComposeFileFitsTheSettings(t *testing.T) {
	const name = root + "compose.yaml"
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: root, ConfigFiles: []types.ConfigFile{{Filename: name, Content: b}}, Environment: types.Mapping{},
	})
	require.NoError(t, err)
	dockerfile, err := os.ReadFile(root + "deploy/images/Dockerfile")
	require.NoError(t, err)

	programs := map[string]any{
		"auth-service": &config.AuthService{}, "gateway-service": &config.GatewayService{}, "upload-service": &config.UploadService{},
		"caption-service": &config.CaptionService{}, "caption-worker": &config.CaptionWorker{}, "frontend": &config.Frontend{},
	}
	backends := []string{"rabbitmq", "redis", "mongodb", "postgresql", "minio"}
	require.Len(t, project.Services, len(programs)+len(backends))
	for program, settings := range programs {
		t.Run(program, func(t *testing.T) {
			s, ok := project.Services[program]
			require.True(t, ok)
			require.Equal(t, program, s.Build.Target)
			require.Equal(t, "captions/"+program+":dev", s.Image)
			require.Contains(t, string(dockerfile), " AS "+program+"\n", "the target of the Dockerfile")
			require.True(t, s.ReadOnly)
			require.Equal(t, []string{"ALL"}, s.CapDrop)

			var known bytes.Buffer
			require.NoError(t, config.WriteProgram(&known, settings))
			for name, value := range s.Environment {
				require.NotNil(t, value)
				require.Regexp(t, name+`\b`, known.String(), "a setting of %s", program)
				t.Setenv(name, *value)
			}
			require.NoError(t, config.Load(settings), "nothing is missing, and nothing is wrong")
			for other := range s.DependsOn {
				require.Contains(t, backends, other)
				require.Equal(t, types.ServiceConditionHealthy, s.DependsOn[other].Condition)
			}
			// Hosts in addresses are services of this file.
			for name, value := range s.Environment {
				if host := hostOf(*value); host != "" && name != "CAPTIONS_S3_PUBLIC_ENDPOINT" {
					require.Contains(t, project.Services, host, name)
				}
			}
		})
	}
	require.Len(t, project.Services["caption-worker"].Volumes, 1, "videos do not go into memory")
	for _, b := range backends {
		s, ok := project.Services[b]
		require.True(t, ok, b)
		require.NotEmpty(t, s.HealthCheck.Test, b)
		if b != "redis" {
			require.Len(t, s.Volumes, 1, "%s keeps its data", b)
			require.Contains(t, project.Volumes, s.Volumes[0].Source)
		}
	}
	for name, s := range project.Services {
		for _, p := range s.Ports {
			require.Equal(t, "127.0.0.1", p.HostIP, "%s is for this machine only", name)
		}
	}
}

// hostOf returns the host in a URL, or "".
func hostOf(s string) string {
	_, rest, ok := strings.Cut(s, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndex(rest, "@")+1:]
	host, _, _ := strings.Cut(rest, ":")
	return host
}
