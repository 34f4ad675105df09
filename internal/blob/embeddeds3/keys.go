package embeddeds3

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"k8s-scalers/internal/caption"
)

const keysFile = "credentials.json"

// keys are what clients sign their requests with.
type keys struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

// storedKeys returns the keys that the folder holds, and makes them where it holds none. They stay the same, so that addresses that were
// signed before a restart are good after it.
func storedKeys(dir string) (keys, error) {
	path := filepath.Join(dir, keysFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKeys(path)
	}
	if err != nil {
		return keys{}, fmt.Errorf("read the storage's credentials: %w", err)
	}
	var k keys
	if err := json.Unmarshal(b, &k); err != nil || k.AccessKey == "" || k.SecretKey == "" {
		return keys{}, caption.Errorf(caption.KindInvalid, "The file %s is damaged. Delete it: a new one will be made, and addresses that were given out before stop working.", path).
			WithCode("bad_settings").WithCause(err)
	}
	return k, nil
}

// makeKeys makes keys and stores them, either whole or not at all.
func makeKeys(path string) (keys, error) {
	k := keys{AccessKey: "captions-" + rand.Text()[:8], SecretKey: rand.Text() + rand.Text()}
	b, err := json.Marshal(k)
	if err != nil {
		return keys{}, fmt.Errorf("render the storage's credentials: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), keysFile+".*") // with mode 0600
	if err != nil {
		return keys{}, fmt.Errorf("store the storage's credentials: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // The error that is returned says more.
		return keys{}, fmt.Errorf("store the storage's credentials: %w", err)
	}
	return k, nil
}
