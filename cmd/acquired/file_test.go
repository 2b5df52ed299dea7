package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/proto/fault"
)

func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatalf("list %s: %v", folder, err)
	}
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestMakeFolder(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	fill := func(err error) func(string) error {
		return func(folder string) error {
			if err := writeSecret(filepath.Join(folder, "file"), []byte("content")); err != nil {
				return err
			}
			return err
		}
	}
	tests := []struct {
		name string
		// before are the files of the folder; nil is no folder.
		before []string
		err    error
		want   error
		after  []string
	}{
		{"new", nil, nil, nil, []string{"file"}},
		{"empty", []string{}, nil, nil, []string{"file"}},
		{"not empty", []string{"other"}, nil, fault.Exists, []string{"other"}},
		{"new, broken", nil, broken, broken, nil},
		{"empty, broken", []string{}, broken, broken, []string{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			folder := filepath.Join(parent, "folder")
			if test.before != nil {
				if err := os.Mkdir(folder, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range test.before {
				if err := writeSecret(filepath.Join(folder, name), nil); err != nil {
					t.Fatal(err)
				}
			}
			if err := makeFolder(folder, fill(test.err)); !errors.Is(err, test.want) {
				t.Errorf("error: got %v, want %v", err, test.want)
			}
			if test.after == nil {
				if got := names(t, parent); len(got) > 0 {
					t.Errorf("left behind: got %v, want nothing", got)
				}
				return
			}
			if diff := cmp.Diff(test.after, names(t, folder)); diff != "" {
				t.Errorf("files differ (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"folder"}, names(t, parent)); diff != "" {
				t.Errorf("beside the folder (-want +got):\n%s", diff)
			}
		})
	}
}
