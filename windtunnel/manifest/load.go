package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads all objects of the named Kustomize folders, folders of plain YAML (which are not descended into) and files, in the
// order in which they would be applied. The error lists everything that cannot be read.
func Load(paths ...string) ([]*Object, error) {
	var all []*Object
	var errs []error
	for _, path := range paths {
		objects, err := load(filepath.Clean(path))
		if err != nil {
			errs = append(errs, err)
		}
		for _, o := range objects {
			o.Folder = filepath.Clean(path)
		}
		all = append(all, objects...)
	}
	return all, errors.Join(errs...)
}

func load(path string) ([]*Object, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no such file or folder", path)
	case err != nil:
		return nil, fmt.Errorf("read manifests: %w", err)
	case !info.IsDir():
		return readFile(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	var files []string
	for _, e := range entries {
		switch {
		case slices.Contains(kustomizationNames(), e.Name()):
			return build(path)
		case isManifest(e.Name()) && !e.IsDir():
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: there is no kustomization.yaml and no YAML file in it; name the folder that you would give to kubectl apply -k%s", path, below(path))
	}
	var all []*Object
	var errs []error
	for _, file := range files {
		objects, err := readFile(file)
		if err != nil {
			errs = append(errs, err)
		}
		all = append(all, objects...)
	}
	return all, errors.Join(errs...)
}

// below names folders in a folder, however deep, that can be applied: the first few.
func below(path string) string {
	const few = 4
	var folders []string
	_ = filepath.WalkDir(path, func(at string, entry fs.DirEntry, err error) error { // What cannot be read is not named.
		switch {
		case err != nil && entry != nil && entry.IsDir():
			return fs.SkipDir
		case err == nil && !entry.IsDir() && slices.Contains(kustomizationNames(), entry.Name()):
			folders = append(folders, filepath.Dir(at))
		}
		return nil
	})
	switch n := len(folders); {
	case n == 0:
		return ""
	case n <= few:
		return ": " + strings.Join(folders, ", ")
	default:
		return fmt.Sprintf(": %s, or another of %d", strings.Join(folders[:few], ", "), n)
	}
}

func isManifest(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name)))
}
