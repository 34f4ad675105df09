package amqpqueue

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"k8s-scalers/internal/caption"
)

// address is what a URL says.
type address struct {
	server          string // what the AMQP client is given
	host            string // host:port, to be named in messages
	vhost           string
	queue           string
	management      *url.URL      // nil where there is none
	consumerTimeout time.Duration // 0 where it is not said
}

func (a address) jobs() string { return a.queue }
func (a address) dead() string { return a.queue + ".dead" }
func (a address) lock() string { return a.queue + ".dead.reader" }

// queueName are the names that need no escaping anywhere and leave room for the names of the neighbours.
var queueName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}$`)

// forServer are the parameters that the AMQP client understands. Of those, heartbeat and connection_timeout follow from
// Config.
var forServer = map[string]bool{
	"cacertfile": true, "certfile": true, "keyfile": true, "server_name_indication": true, "auth_mechanism": true,
	"channel_max": true,
}

func parseURL(raw string) (address, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "amqp" && u.Scheme != "amqps" || u.Host == "" {
		// Neither the URL nor the parser's error is told: they have the password in them.
		return address{}, badURL("it must look like amqp://user:password@host:5672/vhost, or amqps://… for TLS; special characters in the password must be percent-encoded")
	}
	params, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return address{}, badURL("what follows the question mark cannot be read")
	}
	a := address{queue: "jobs"}
	for name, values := range params {
		value := values[len(values)-1]
		switch {
		case forServer[name]:
			continue
		case name == "queue":
			if !queueName.MatchString(value) {
				return address{}, badURL("queue=%q is no name of a queue; use letters, digits and . _ : -", value)
			}
			a.queue = value
		case name == "management":
			m, err := url.Parse(value)
			if err != nil || m.Scheme != "http" && m.Scheme != "https" || m.Host == "" {
				return address{}, badURL("management must be a URL such as http://host:15672")
			}
			a.management = m
		case name == "consumer_timeout":
			a.consumerTimeout, err = time.ParseDuration(value)
			if err != nil || a.consumerTimeout <= 0 {
				return address{}, badURL("consumer_timeout=%q must be a time such as 2h or 90m", value)
			}
		default:
			return address{}, badURL("the parameter %q is not known; known are queue, management, consumer_timeout, cacertfile, certfile, keyfile, server_name_indication, auth_mechanism and channel_max", name)
		}
		params.Del(name)
	}
	u.RawQuery = params.Encode()
	a.server = u.String()
	parsed, err := amqp.ParseURI(a.server)
	if err != nil {
		return address{}, badURL("its port or one of its parameters cannot be read")
	}
	a.host, a.vhost = net.JoinHostPort(parsed.Host, fmt.Sprint(parsed.Port)), parsed.Vhost
	if a.management != nil && a.management.User == nil {
		a.management.User = url.UserPassword(parsed.Username, parsed.Password)
	}
	return a, nil
}

func badURL(format string, args ...any) error {
	return caption.Errorf(caption.KindInvalid, "The URL of the task queue is wrong: "+format+".", args...).WithCode("bad_settings")
}
