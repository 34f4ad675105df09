package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"k8s-scalers/internal/caption"
)

// set sets settings for a test, by their names without the prefix.
func set(t *testing.T, settings map[string]string) {
	t.Helper()
	for name, value := range settings {
		t.Setenv(prefix+name, value)
	}
}

func messageOf(t *testing.T, err error) string {
	t.Helper()
	var e *caption.Error
	require.ErrorAs(t, err, &e)
	return e.Message
}

func TestLoadListsEveryMistakeByTheNameOfItsSetting(t *testing.T) {
	set(t, map[string]string{"WORKERS": "many", "MAX_FILE_SIZE": "lots", "VISIBILITY": "5", "ENGINE_FALLBACK": "perhaps", "LOG_LEVEL": "loud", "SEGMENT_LENGTH": "1s"})
	var s Serve
	err := Load(&s)
	require.Equal(t, "bad_settings", caption.CodeOf(err))
	require.Equal(t, `The settings are wrong:
  - CAPTIONS_LOG_LEVEL must be debug, info, warn or error, but it is "loud".
  - CAPTIONS_MAX_FILE_SIZE must be a size such as 20GiB or 500MB, but it is "lots".
  - CAPTIONS_WORKERS must be a whole number, but it is "many".
  - CAPTIONS_SEGMENT_LENGTH must be from 10s to 10m, but it is 1s.
  - CAPTIONS_VISIBILITY must be a time such as 30s, 1m30s or 12h, but it is "5".
  - CAPTIONS_ENGINE_FALLBACK must be true or false, but it is "perhaps".
See docs/configuration.md.`, messageOf(t, err))
}

func TestDefaultsOfOneProcess(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/somewhere")
	t.Setenv(prefix+"ADDR", "") // as good as none
	var s Serve
	require.NoError(t, Load(&s))
	require.NoError(t, s.Normalise())
	require.Equal(t, "localhost:8080", s.Addr)
	require.Equal(t, "/somewhere/captions", s.DataDir)
	require.Equal(t, runtime.GOMAXPROCS(0), s.Workers)
	require.Equal(t, 2*s.Workers, s.Window)
	require.Equal(t, Bytes(20<<30), s.MaxFileSize)
	require.Equal(t, time.Minute, s.SegmentLength)
	require.Equal(t, []string{"pocketsphinx"}, s.Enabled)
}

// everything is what the six programs need at least.
var everything = map[string]string{
	"QUEUE_URL": "amqp://u:hidden@rabbit/", "STORE_URL": "mongodb://mongo/captions", "ACCOUNTS_URL": "postgres://u:hidden@pg/captions",
	"EVENTS_URL": "redis+sentinel://redis:26379/0?master_name=m", "AUTH_URL": "http://auth:8080", "UPLOAD_URL": "http://upload:8080/",
	"CAPTION_URL": "http://caption:8080", "FRONTEND_URL": "https://frontend", "S3_BUCKET": "videos",
}

func TestDefaultsOfTheSixPrograms(t *testing.T) {
	set(t, everything)
	var (
		auth     AuthService
		gateway  GatewayService
		upload   UploadService
		captions CaptionService
		worker   CaptionWorker
		page     Frontend
	)
	for _, v := range []any{&auth, &gateway, &upload, &captions, &worker, &page} {
		require.NoError(t, Load(v))
	}
	worker.Normalise()
	require.Equal(t, []string{":8080", ":9090"}, []string{auth.Addr, auth.AdminAddr})
	require.Equal(t, "upload:8080", gateway.UploadURL.URL().Host)
	require.Empty(t, gateway.UploadURL.URL().Path)
	require.Equal(t, everything["STORE_URL"], upload.StoreURL)
	require.Contains(t, captions.GatewayAddresses, "10.0.0.0/8")
	require.Equal(t, 5*time.Second, captions.DrainPause)
	require.GreaterOrEqual(t, worker.Window, 32)
	require.NotEmpty(t, worker.WorkDir)
	require.Equal(t, "videos", page.BucketName)
}

func TestEveryMissingSettingIsListed(t *testing.T) {
	for want, v := range map[string]any{
		"ACCOUNTS_URL EVENTS_URL":                                 &AuthService{},
		"AUTH_URL UPLOAD_URL CAPTION_URL FRONTEND_URL EVENTS_URL": &GatewayService{},
		"AUTH_URL STORE_URL S3_BUCKET":                            &UploadService{},
		"AUTH_URL STORE_URL QUEUE_URL EVENTS_URL S3_BUCKET":       &CaptionService{},
		"STORE_URL QUEUE_URL EVENTS_URL S3_BUCKET":                &CaptionWorker{},
	} {
		err := Load(v)
		require.Equal(t, "bad_settings", caption.CodeOf(err))
		var missing []string
		for line := range strings.Lines(messageOf(t, err)) {
			if name, _, ok := strings.Cut(strings.TrimPrefix(line, "  - "+prefix), " is missing."); ok {
				missing = append(missing, name)
			}
		}
		require.Equal(t, want, strings.Join(missing, " "))
	}
	require.NoError(t, Load(&Frontend{}))
}

// What only one process can use is refused by the name of the setting, with what to use instead; no secret is repeated.
func TestTheSixProgramsRefuseWhatCannotBeShared(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		v     any
		want  string
	}{
		"QUEUE_URL":          {"sqlite:/data/queue.db", &CaptionWorker{}, "begins with sqlite:, which one process cannot share with others; captions serve uses that. Give the URL of RabbitMQ"},
		"STORE_URL":          {"sqlite:/data/captions.db", &UploadService{}, "Give the URL of MongoDB"},
		"ACCOUNTS_URL":       {"sqlite:/data/accounts.db", &AuthService{}, "Give the URL of PostgreSQL"},
		"EVENTS_URL":         {"memory:", &CaptionService{}, "begins with memory:, which one process cannot share with others; captions serve uses that. Give the URL of Redis"},
		"S3_ENDPOINT":        {"/data/s3", &UploadService{}, "must be the address of an S3 server"},
		"S3_PUBLIC_ENDPOINT": {"http://host/path", &UploadService{}, "without a path"},
		"AUTH_URL":           {"auth:8080", &GatewayService{}, "must be an address such as http://host:8080"},
	} {
		t.Run(name, func(t *testing.T) {
			set(t, everything)
			t.Setenv(prefix+name, c.value)
			require.ErrorContains(t, Load(c.v), prefix+name+" ")
			require.ErrorContains(t, Load(c.v), c.want)
		})
	}
	set(t, everything)
	for _, value := range []string{"http://u:hidden@host", "Hidden/host", "hidden"} {
		t.Setenv(prefix+"QUEUE_URL", value)
		err := Load(&CaptionWorker{})
		require.ErrorContains(t, err, "Give the URL of RabbitMQ")
		require.NotContains(t, strings.ToLower(err.Error()), "hidden")
	}
}

func TestSecretsFromFiles(t *testing.T) {
	set(t, everything)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	t.Setenv(prefix+"ACCOUNTS_URL", "")
	t.Setenv(prefix+"ACCOUNTS_URL_FILE", file("url", "postgres://u:p@pg/captions\n"))
	var s AuthService
	require.NoError(t, Load(&s))
	require.Equal(t, "postgres://u:p@pg/captions", s.AccountsURL)

	t.Setenv(prefix+"ACCOUNTS_URL", "postgres://u:hidden@pg/captions")
	t.Setenv(prefix+"EVENTS_URL", "")
	t.Setenv(prefix+"EVENTS_URL_FILE", dir+"/none")
	err := Load(&AuthService{})
	require.ErrorContains(t, err, "CAPTIONS_ACCOUNTS_URL is set, and CAPTIONS_ACCOUNTS_URL_FILE too. Unset one of them.")
	require.ErrorContains(t, err, "CAPTIONS_EVENTS_URL cannot be read from the file that CAPTIONS_EVENTS_URL_FILE names")
	require.NotContains(t, err.Error(), "hidden")

	t.Setenv(prefix+"EVENTS_URL_FILE", file("empty", "\n"))
	require.ErrorContains(t, Load(&AuthService{}), "CAPTIONS_EVENTS_URL is empty in the file")
}

func TestEngines(t *testing.T) {
	load := func(settings map[string]string) (Engines, error) {
		set(t, settings)
		var e Engines
		err := Load(&e)
		return e, err
	}
	e, err := load(map[string]string{"ENGINES": "deepgram, openai,pocketsphinx", "DEEPGRAM_API_KEY": "k", "OPENAI_API_KEY": "k", "ENGINE_FALLBACK": "true"})
	require.NoError(t, err)
	require.Equal(t, []string{"deepgram", "openai", "pocketsphinx"}, e.Enabled)
	require.True(t, e.EngineFallback)
	require.Equal(t, BaseURL("https://api.deepgram.com/v1"), e.DeepgramURL)

	_, err = load(map[string]string{"DEEPGRAM_API_KEY": "", "OPENAI_API_KEY": ""})
	require.ErrorContains(t, err, "CAPTIONS_DEEPGRAM_API_KEY is missing, while CAPTIONS_ENGINES names deepgram.")
	require.ErrorContains(t, err, "CAPTIONS_OPENAI_API_KEY is missing")
	_, err = load(map[string]string{"OPENAI_URL": "http://whisper:8000/v1", "DEEPGRAM_API_KEY": "k"})
	require.NoError(t, err, "a server of one's own wants no key")
	_, err = load(map[string]string{"ENGINES": "whisper"})
	require.ErrorContains(t, err, `CAPTIONS_ENGINES has "whisper" in it, which is none of pocketsphinx, deepgram, openai.`)
	_, err = load(map[string]string{"ENGINES": "openai,openai"})
	require.ErrorContains(t, err, "CAPTIONS_ENGINES names openai twice.")
}

func TestStaticKeysGoTogether(t *testing.T) {
	set(t, everything)
	t.Setenv(prefix+"S3_ACCESS_KEY_ID", "id")
	require.ErrorContains(t, Load(&UploadService{}), "CAPTIONS_S3_SECRET_ACCESS_KEY is missing, while CAPTIONS_S3_ACCESS_KEY_ID is set.")
	t.Setenv(prefix+"S3_SECRET_ACCESS_KEY", "secret")
	require.NoError(t, Load(&UploadService{}))
	t.Setenv(prefix+"S3_ACCESS_KEY_ID", "")
	require.ErrorContains(t, Load(&UploadService{}), "CAPTIONS_S3_ACCESS_KEY_ID is missing")
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "17": 17, "5 MB": 5e6, "20GiB": 20 << 30, "1TiB": 1 << 40, "12B": 12} {
		var b Bytes
		require.NoError(t, b.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, b, text)
	}
	for _, text := range []string{"", "GiB", "-1", "5 parsecs", "99999999999TiB", "1e9", "99999999999999999999"} {
		var b Bytes
		require.Error(t, b.UnmarshalText([]byte(text)), text)
	}
}

func TestReferenceNamesEverySettingAndIsUpToDate(t *testing.T) {
	var b strings.Builder
	require.NoError(t, WriteReference(&b))
	require.Contains(t, b.String(), "| `CAPTIONS_ADDR` | `localhost:8080` |")
	require.Contains(t, b.String(), "| `CAPTIONS_QUEUE_URL` 🔑 | required |")
	require.Contains(t, b.String(), "| `CAPTIONS_AUTH_URL` | gateway-service, upload-service, caption-service |\n")
	require.NotContains(t, b.String(), "|  |\n", "every setting has a meaning")
	for _, p := range programs {
		require.Contains(t, b.String(), "\n## "+p.name+"\n")
	}
	committed, err := os.ReadFile("../../docs/configuration.md")
	require.NoError(t, err)
	require.Equal(t, b.String(), string(committed), "run: make generate")
}
