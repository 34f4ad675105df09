package backend

import (
	"errors"
	"io"
	"log/slog"
	"strings"

	"k8s-scalers/internal/caption"
	"k8s-scalers/internal/config"
	"k8s-scalers/internal/speech"
	"k8s-scalers/internal/speech/deepgram"
	"k8s-scalers/internal/speech/openai"
	"k8s-scalers/internal/speech/pocketsphinx"
	"k8s-scalers/internal/speech/remote"
)

// EngineOptions are how a speech engine runs.
type EngineOptions struct {
	Processes int    // of engines that run here
	TempDir   string // empty: the system's
	Attempts  int    // how often a call of an engine behind HTTP is tried here; 0 is once, for callers with a queue
	Logger    *slog.Logger
}

// Engine makes the speech engine of that name; the empty name is the operator's first. It may implement [io.Closer].
func Engine(name string, s config.Engines, o EngineOptions) (speech.Recognizer, error) {
	if name == "" && len(s.Enabled) > 0 {
		name = s.Enabled[0]
	}
	var (
		engine speech.Recognizer
		err    error
	)
	switch name {
	case pocketsphinx.Name:
		return pocketsphinx.New(pocketsphinx.Deps{Model: s.PocketSphinxModel, Processes: o.Processes, TempDir: o.TempDir, Logger: o.Logger})
	case deepgram.Name:
		engine, err = deepgram.New(deepgram.Deps{Key: s.DeepgramKey, BaseURL: string(s.DeepgramURL), Model: s.DeepgramModel, Logger: o.Logger})
	case openai.Name:
		engine, err = openai.New(openai.Deps{Key: s.OpenAIKey, BaseURL: string(s.OpenAIURL), Model: s.OpenAIModel, Logger: o.Logger})
	default:
		return nil, unknownEngine(name)
	}
	if err != nil || o.Attempts <= 1 {
		return engine, err
	}
	return remote.Retrying(engine, o.Attempts), nil
}

// Engines makes all engines that the operator enabled, in their order. Where one cannot be made, those before it are closed.
func Engines(s config.Engines, o EngineOptions) ([]speech.Recognizer, error) {
	var all []speech.Recognizer
	for _, name := range s.Enabled {
		e, err := Engine(name, s, o)
		if err != nil {
			for _, made := range all {
				if c, ok := made.(io.Closer); ok {
					err = errors.Join(err, c.Close())
				}
			}
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// EngineCapabilities says what the engines of these names can do, without what they need to run.
func EngineCapabilities(names []string) ([]speech.Capabilities, error) {
	var all []speech.Capabilities
	for _, name := range names {
		switch name {
		case pocketsphinx.Name:
			all = append(all, pocketsphinx.Capabilities())
		case deepgram.Name:
			all = append(all, deepgram.Capabilities())
		case openai.Name:
			all = append(all, openai.Capabilities())
		default:
			return nil, unknownEngine(name)
		}
	}
	return all, nil
}

func unknownEngine(name string) error {
	names := []string{pocketsphinx.Name, deepgram.Name, openai.Name}
	return caption.Errorf(caption.KindInvalid, "There is no speech engine %q. There is: %s.", name, strings.Join(names, ", ")).WithCode("usage")
}
