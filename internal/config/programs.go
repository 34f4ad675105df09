package config

import (
	"os"
	"runtime"
	"time"

	"k8s-scalers/internal/caption"
)

// Serve are the settings of captions serve, all services in one process.
type Serve struct {
	Addr      string `env:"ADDR" envDefault:"localhost:8080" help:"Where the web page and the API are served. Use :8080 to serve other machines, too."`
	AdminAddr string `env:"ADMIN_ADDR" envDefault:"localhost:0" help:"Where probes, metrics and profiles are served. Port 0 chooses a free one, which is logged."`
	DataDir   string `env:"DATA_DIR" help:"The folder that holds everything: videos, captions, accounts, the queue. Default: captions in the user's data folder."`
	LogLevel  string `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error."`
	LogFormat string `env:"LOG_FORMAT" help:"text or json. Default: text on a terminal, json elsewhere."`

	Gateway
	Uploads
	Captions
	Worker
	Delivery
	Engines
}

func (s *Serve) check(m mistakes) { checkLog(m, s.LogLevel, s.LogFormat) }

// AuthService are the settings of auth-service.
type AuthService struct {
	Public
	Process
	Behind
	Accounts
	Events
}

// GatewayService are the settings of gateway-service.
type GatewayService struct {
	Public
	Process
	Tokens
	UploadURL   BaseURL `env:"UPLOAD_URL" required:"true" help:"The address of upload-service, such as http://upload-service:8080."`
	CaptionURL  BaseURL `env:"CAPTION_URL" required:"true" help:"The address of caption-service, such as http://caption-service:8080."`
	FrontendURL BaseURL `env:"FRONTEND_URL" required:"true" help:"The address of frontend, such as http://frontend:8080."`
	Events
	Gateway
}

// UploadService are the settings of upload-service.
type UploadService struct {
	Public
	Process
	Behind
	Tokens
	Store
	S3
	Uploads
}

// CaptionService are the settings of caption-service. It must know the engines by name only: it does not run them.
type CaptionService struct {
	Public
	Process
	Behind
	Tokens
	Store
	Queue
	Events
	S3
	Captions
	EngineNames
}

// CaptionWorker are the settings of caption-worker, which answers no requests.
type CaptionWorker struct {
	Process
	Store
	Queue
	Events
	S3
	WorkDir      string        `env:"WORK_DIR" help:"The folder for temporary files, with room for a video for each of the workers. Default: the system's."`
	ExitWhenIdle time.Duration `env:"EXIT_WHEN_IDLE" envDefault:"0s" help:"The program ends when no task has come for this long, as a Kubernetes Job should. 0s means never."`
	Worker
	Engines
}

// Frontend are the settings of frontend. It must know the bucket only for the policy of the page, which names the places that it
// may exchange videos with.
type Frontend struct {
	Public
	Process
	Behind
	Bucket `optional:"true"`
}

// DeadLetters are the settings of captions dead-letters. They are those by which the services find the queue.
type DeadLetters struct {
	QueueURL string `env:"QUEUE_URL" secret:"true" help:"RabbitMQ, as for caption-worker. Default: the queue in the data folder."`
	DataDir  string `env:"DATA_DIR" help:"The data folder of captions serve. Default: captions in the user's data folder."`
	Delivery
}

// Normalise fills in the settings whose default depends on the machine.
func (s *DeadLetters) Normalise() error { return fillDataDir(&s.DataDir) }

// Normalise fills in the settings whose default depends on the machine.
func (s *Serve) Normalise() error {
	s.fill(0)
	return fillDataDir(&s.DataDir)
}

func fillDataDir(dir *string) (err error) {
	if *dir == "" {
		*dir, err = dataHome()
	}
	return err
}

// Normalise fills in the settings whose default depends on the machine.
func (w *CaptionWorker) Normalise() {
	// How many workers there are is not known here, and changes; but one long video is to keep many of them busy.
	const window = 32
	w.fill(window)
	if w.WorkDir == "" {
		w.WorkDir = os.TempDir()
	}
}

func (w *Worker) fill(window int) {
	if w.Workers <= 0 {
		w.Workers = runtime.GOMAXPROCS(0)
	}
	if w.Window <= 0 {
		w.Window = max(2*w.Workers, window)
	}
}

func dataHome() (string, error) {
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return d + "/captions", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", caption.Errorf(caption.KindInvalid, "The folder for the data is not known. Set %sDATA_DIR, or use --data.", prefix).WithCode("bad_settings").WithCause(err)
	}
	return home + "/.local/share/captions", nil
}
