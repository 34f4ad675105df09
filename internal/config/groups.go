package config

import (
	"slices"
	"strings"
	"time"
)

// Process are the settings of every program that runs in a process of its own.
type Process struct {
	AdminAddr string `env:"ADMIN_ADDR" envDefault:":9090" help:"Where probes (/healthz, /readyz), metrics and profiles are served. Keep it from strangers."`
	LogLevel  string `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error."`
	LogFormat string `env:"LOG_FORMAT" help:"text or json. Default: text on a terminal, json elsewhere."`
}

func (p *Process) check(m mistakes) { checkLog(m, p.LogLevel, p.LogFormat) }

func checkLog(m mistakes, level, format string) {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, strings.ToLower(level)) {
		m.add("LOG_LEVEL", "must be debug, info, warn or error, but it is %q.", level)
	}
	if !slices.Contains([]string{"", "auto", "text", "json"}, format) {
		m.add("LOG_FORMAT", "must be text or json, but it is %q.", format)
	}
}

// Public are the settings of programs that answer requests.
type Public struct {
	Addr       string        `env:"ADDR" envDefault:":8080" help:"Where requests are answered."`
	DrainPause time.Duration `env:"DRAIN_PAUSE" envDefault:"5s" help:"How long requests are still accepted after SIGTERM, so that load balancers notice that the program is no longer ready."`
}

// Behind are the settings of programs behind the gateway.
type Behind struct {
	GatewayAddresses []string `env:"GATEWAY_ADDRESSES" envDefault:"127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7" help:"Addresses or CIDR ranges of gateway-service, whose X-Forwarded headers are believed; separated by commas. Default: private networks."`
}

// Tokens are the settings of programs that verify access tokens.
type Tokens struct {
	AuthURL BaseURL `env:"AUTH_URL" required:"true" help:"The address of auth-service, such as http://auth-service:8080."`
}

// Queue are the settings of programs that use the queue of tasks.
type Queue struct {
	QueueURL string `env:"QUEUE_URL" required:"true" secret:"true" help:"RabbitMQ: amqp://user:password@host:5672/vhost?management=http://host:15672, or amqps for TLS. Up to RabbitMQ 3.11, consumer_timeout=2h must say what rabbitmq.conf says; see docs/rabbitmq.md."`
	Delivery
}

func (q *Queue) check(m mistakes) {
	m.scheme("QUEUE_URL", q.QueueURL, "Give the URL of RabbitMQ, such as amqp://user:password@host:5672/vhost.", "amqp", "amqps")
	if q.Visibility < 2*time.Second {
		m.add("VISIBILITY", "must be at least 2s with RabbitMQ, but it is %s.", q.Visibility)
	}
}

// Delivery are the settings of the queue of tasks, wherever it is. All programs that use one queue need the same.
type Delivery struct {
	MaxAttempts int           `env:"MAX_ATTEMPTS" envDefault:"5" help:"How often a task is tried before its job fails. A queue in RabbitMQ cannot be changed: see docs/rabbitmq.md."`
	Visibility  time.Duration `env:"VISIBILITY" envDefault:"30s" help:"A task whose worker gives no sign of life for this long is given to another."`
}

func (d *Delivery) check(m mistakes) {
	if d.Visibility < time.Second {
		m.add("VISIBILITY", "must be at least 1s, but it is %s.", d.Visibility)
	}
	if d.MaxAttempts < 1 {
		m.add("MAX_ATTEMPTS", "must be at least 1, but it is %d.", d.MaxAttempts)
	}
}

// Store are the settings of programs that use the store of videos, jobs and transcripts.
type Store struct {
	StoreURL string `env:"STORE_URL" required:"true" secret:"true" help:"MongoDB or DocumentDB: mongodb://user:password@host:27017/captions, or mongodb+srv."`
}

func (s *Store) check(m mistakes) {
	m.scheme("STORE_URL", s.StoreURL, "Give the URL of MongoDB or DocumentDB, such as mongodb://user:password@host:27017/captions.", "mongodb", "mongodb+srv")
}

// Accounts are the settings of programs that use the store of users.
type Accounts struct {
	AccountsURL string `env:"ACCOUNTS_URL" required:"true" secret:"true" help:"PostgreSQL: postgres://user:password@host:5432/captions."`
}

func (a *Accounts) check(m mistakes) {
	m.scheme("ACCOUNTS_URL", a.AccountsURL, "Give the URL of PostgreSQL, such as postgres://user:password@host:5432/captions.", "postgres", "postgresql")
}

// Events are the settings of programs that share events, tickets or rate limits.
type Events struct {
	EventsURL string `env:"EVENTS_URL" required:"true" secret:"true" help:"Redis: redis://user:password@host:6379/0; redis+sentinel://host:26379/0?master_name=NAME&addr=host2:26379; redis+cluster://host:6379?addr=host2:6379; with rediss in place of redis for TLS."`
}

func (e *Events) check(m mistakes) {
	m.scheme("EVENTS_URL", e.EventsURL, "Give the URL of Redis, such as redis://host:6379/0.",
		"redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
}

// Bucket says where videos and audio are.
type Bucket struct {
	BucketName     string `env:"S3_BUCKET" required:"true" help:"The bucket for videos and audio."`
	Region         string `env:"S3_REGION" help:"The region of the bucket. Default: that of the AWS SDK's own settings, then us-east-1."`
	Endpoint       Origin `env:"S3_ENDPOINT" help:"The address of the S3 server, such as http://minio:9000. Default: that of Amazon S3."`
	PublicEndpoint Origin `env:"S3_PUBLIC_ENDPOINT" help:"The address by which browsers and other clients reach the S3 server. Default: the same."`
	PathStyle      bool   `env:"S3_PATH_STYLE" envDefault:"false" help:"true puts the bucket into the path rather than into the host name. Most servers but Amazon's need it."`
}

// S3 are the settings of programs that read and write the bucket.
type S3 struct {
	Bucket
	AccessKeyID     string `env:"S3_ACCESS_KEY_ID" secret:"true" help:"A static key. Default: what the AWS SDK finds: its own variables and files, IRSA, EKS Pod Identity, the role of the machine."`
	SecretAccessKey string `env:"S3_SECRET_ACCESS_KEY" secret:"true" help:"The secret of the static key."`
	CreateBucket    bool   `env:"S3_CREATE_BUCKET" envDefault:"false" help:"true makes the bucket at the start, and lets pages of any origin send parts to addresses that were signed for them."`
}

func (s *S3) check(m mistakes) {
	switch {
	case s.AccessKeyID != "" && s.SecretAccessKey == "":
		m.add("S3_SECRET_ACCESS_KEY", "is missing, while %sS3_ACCESS_KEY_ID is set. Set both or neither.", prefix)
	case s.AccessKeyID == "" && s.SecretAccessKey != "":
		m.add("S3_ACCESS_KEY_ID", "is missing, while %sS3_SECRET_ACCESS_KEY is set. Set both or neither.", prefix)
	}
}

// EngineNames say which speech engines there are.
type EngineNames struct {
	Enabled []string `env:"ENGINES" envDefault:"pocketsphinx" help:"The speech engines that users may choose from, separated by commas: pocketsphinx, deepgram, openai. The first is the default."`
}

// Engines are the settings of programs that run speech engines.
type Engines struct {
	EngineNames
	EngineFallback bool `env:"ENGINE_FALLBACK" envDefault:"false" help:"true gives a job to the next engine of the list when the one that was to do it cannot."`
	Deepgram
	OpenAI
	PocketSphinx
}

// Deepgram are the settings of the engine deepgram.
type Deepgram struct {
	DeepgramKey   string  `env:"DEEPGRAM_API_KEY" secret:"true" help:"The key of Deepgram, without which that engine cannot be enabled."`
	DeepgramURL   BaseURL `env:"DEEPGRAM_URL" envDefault:"https://api.deepgram.com/v1" help:"The address of Deepgram's interface."`
	DeepgramModel string  `env:"DEEPGRAM_MODEL" envDefault:"nova-3" help:"The model of Deepgram."`
}

// OpenAI are the settings of the engine openai.
type OpenAI struct {
	OpenAIKey   string  `env:"OPENAI_API_KEY" secret:"true" help:"The key of the server that speaks OpenAI's protocol; servers of your own often want none."`
	OpenAIURL   BaseURL `env:"OPENAI_URL" envDefault:"https://api.openai.com/v1" help:"The address of that server, above /audio/transcriptions. Start whisper.cpp's server with --inference-path /audio/transcriptions."`
	OpenAIModel string  `env:"OPENAI_MODEL" envDefault:"whisper-1" help:"The model of that server."`
}

// PocketSphinx are the settings of the offline engine.
type PocketSphinx struct {
	PocketSphinxModel string `env:"POCKETSPHINX_MODEL" help:"The folder of the acoustic and language model. Default: where the Debian package pocketsphinx-en-us puts it."`
}

// engineNames are the names of the engines that there are.
var engineNames = []string{"pocketsphinx", "deepgram", "openai"}

func (e *EngineNames) check(m mistakes) {
	for i, name := range e.Enabled {
		name = strings.TrimSpace(name)
		e.Enabled[i] = name
		switch {
		case !slices.Contains(engineNames, name):
			m.add("ENGINES", "has %q in it, which is none of %s.", name, strings.Join(engineNames, ", "))
		case slices.Contains(e.Enabled[:i], name):
			m.add("ENGINES", "names %s twice.", name)
		}
	}
}

func (e *Engines) check(m mistakes) {
	if slices.Contains(e.Enabled, "deepgram") && e.DeepgramKey == "" {
		m.add("DEEPGRAM_API_KEY", "is missing, while %sENGINES names deepgram. Make one at https://console.deepgram.com.", prefix)
	}
	if slices.Contains(e.Enabled, "openai") && e.OpenAIKey == "" && strings.HasPrefix(string(e.OpenAIURL), "https://api.openai.com/") {
		m.add("OPENAI_API_KEY", "is missing, while %sENGINES names openai. Make one at https://platform.openai.com, or set %sOPENAI_URL to a server of your own.", prefix, prefix)
	}
}

// Gateway are the settings of the gateway.
type Gateway struct {
	TrustedProxies             []string `env:"TRUSTED_PROXIES" help:"Addresses or CIDR ranges of reverse proxies in front, whose X-Forwarded headers are believed; separated by commas."`
	RequestsPerMinute          int      `env:"REQUESTS_PER_MINUTE" envDefault:"1200" help:"How many requests one user may make. -1 means any number."`
	AnonymousRequestsPerMinute int      `env:"ANONYMOUS_REQUESTS_PER_MINUTE" envDefault:"300" help:"How many requests without a token one address may make. -1 means any number."`
	StreamsPerUser             int      `env:"STREAMS_PER_USER" envDefault:"50" help:"How many WebSockets one user may have open."`
	StreamsPerAddress          int      `env:"STREAMS_PER_ADDRESS" envDefault:"500" help:"How many WebSockets opened with tickets one address may have."`
}

// Uploads are the settings of uploads.
type Uploads struct {
	MaxFileSize    Bytes         `env:"MAX_FILE_SIZE" envDefault:"20GiB" help:"The largest file that may be uploaded."`
	UserQuota      Bytes         `env:"USER_QUOTA" envDefault:"200GiB" help:"How much one user may store."`
	MaxOpenUploads int           `env:"MAX_OPEN_UPLOADS" envDefault:"20" help:"How many unfinished uploads one user may have."`
	StaleUpload    time.Duration `env:"STALE_UPLOAD" envDefault:"48h" help:"An unfinished upload that nobody touched for this long is removed."`
}

// Captions are the settings of caption requests.
type Captions struct {
	MaxActiveJobs int `env:"MAX_ACTIVE_JOBS" envDefault:"100" help:"How many unfinished jobs one user may have. 0 means no limit."`
}

// Worker are the settings of the work on tasks.
type Worker struct {
	Workers       int           `env:"WORKERS" envDefault:"0" help:"How many tasks one process runs at a time. 0 means one a core."`
	Window        int           `env:"WINDOW" envDefault:"0" help:"How many segments of one job are on the queue at a time. 0 means twice the workers, and at least 32 where workers are processes of their own."`
	SegmentLength time.Duration `env:"SEGMENT_LENGTH" envDefault:"1m" help:"About how long a segment is; it is cut at a silence near."`
	MaxDuration   time.Duration `env:"MAX_DURATION" envDefault:"12h" help:"The longest video that is captioned."`
}

func (w *Worker) check(m mistakes) {
	if w.SegmentLength < 10*time.Second || w.SegmentLength > 10*time.Minute {
		m.add("SEGMENT_LENGTH", "must be from 10s to 10m, but it is %s.", w.SegmentLength)
	}
}
