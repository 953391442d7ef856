package main_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shell runs a command line in a folder and returns what it prints.
func shell(t *testing.T, dir, line string, environment ...string) string {
	t.Helper()
	c := exec.Command("sh", "-ec", line)
	c.Dir, c.Env = dir, append(os.Environ(), environment...)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s\n%s", line, out)
	return string(out)
}

func root(t *testing.T) string {
	here, err := os.Getwd()
	require.NoError(t, err)
	return filepath.Dir(here)
}

// makeInstall runs `make install` or `make uninstall` as the build of a package does. The files go
// below stage, the libraries to libdir there. It installs the shipped library.
func makeInstall(t *testing.T, target, stage, libdir string) {
	shell(t, "..", fmt.Sprintf("make -s %s BUILD=%s PREFIX=/opt/govpn DESTDIR=%s LIBDIR=%s", target, get(t, shipped).folder, stage, libdir),
		"PYTHON=false", "MAKEFLAGS=")
}

// installed returns the regular files and links below a folder.
func installed(t *testing.T, stage string) (files []string) {
	require.NoError(t, filepath.WalkDir(stage, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, stage+"/opt/govpn/"))
		}
		return err
	}))
	return files
}

// The examples build with what `make install` put there, also after the installed folder was
// moved.
func TestInstall(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"cmake", "pkg-config"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	stage := t.TempDir()
	libdir := strings.TrimRight("lib/"+strings.TrimSpace(shell(t, ".", "gcc -print-multiarch")), "/")
	makeInstall(t, "install", stage, libdir)
	files := installed(t, stage)
	version := matches(`(?m)^#define GOVPN_VERSION "(.*)"$`, contents(t, "bridge.h"))[0]
	abi := matches(`(?m)^#define GOVPN_ABI_VERSION (\d+)$`, contents(t, "govpn.h"))[0]
	require.ElementsMatch(t, []string{
		"include/govpn.h", "include/govpn.hpp", "share/doc/govpn/LICENSE",
		libdir + "/libgovpn.so", libdir + "/libgovpn.so." + abi, libdir + "/libgovpn.so." + version, libdir + "/pkgconfig/govpn.pc",
		libdir + "/cmake/govpn/govpn-config.cmake", libdir + "/cmake/govpn/govpn-config-version.cmake",
	}, files)
	for _, file := range files {
		text := contents(t, filepath.Join(stage, "opt/govpn", file))
		for _, path := range []string{root(t), stage, folder, "/opt/govpn"} {
			require.NotContains(t, text, path, "%s knows where it was built", file)
		}
		require.NotRegexp(t, `@[A-Z]+@`, text[:min(len(text), 4000)], "%s is not filled in", file)
	}

	prefix := filepath.Join(t.TempDir(), "moved")
	require.NoError(t, os.Rename(filepath.Join(stage, "opt/govpn"), prefix))
	library := filepath.Join(prefix, libdir)
	require.Contains(t, shell(t, library, "readelf -d libgovpn.so."+version), "soname: [libgovpn.so."+abi+"]")
	require.Equal(t, version+"\n", shell(t, library, "pkg-config --modversion govpn", "PKG_CONFIG_PATH="+library+"/pkgconfig"))
	t.Run("examples", func(t *testing.T) {
		for name, source := range map[string]string{"c": "train.c", "cpp": "train.cpp"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				buildExample(t, filepath.Join("../examples", name), source, prefix, library)
			})
		}
	})
	t.Run("versions", func(t *testing.T) { findVersions(t, prefix) })

	require.NoError(t, os.Rename(prefix, filepath.Join(stage, "opt/govpn")))
	makeInstall(t, "uninstall", stage, libdir)
	require.Empty(t, installed(t, stage))
}

// buildExample builds a copy of an example in the ways that its first comment names, and runs them.
func buildExample(t *testing.T, from, source, prefix, library string) {
	dir := t.TempDir()
	shell(t, from, "cp * "+dir)
	comment := contents(t, filepath.Join(from, source))
	installed := matches(`(?m)^(?: \*|//) +(c(?:c|\+\+) -std=.* -o train)$`, comment)
	cmake := matches(`(?m)^(?: \*|//) +(cmake -B build && cmake --build build)$`, comment)
	checkout := matches(`(?m)^(?: \*|//) +(c(?:c|\+\+) -std=.* -o build/train)$`, comment)
	require.Len(t, installed, 1, comment)
	require.Len(t, cmake, 1, comment)
	require.Len(t, checkout, 1, comment)
	flags := " " + strings.Join(pedantic, " ")
	built := get(t, shipped).folder
	shell(t, "..", strings.NewReplacer("$PWD/build", built, "-Lbuild", "-L"+built, "-o build/train", "-o "+dir+"/checkout").
		Replace(checkout[0])+flags)
	shell(t, dir, installed[0]+flags, "PKG_CONFIG_PATH="+library+"/pkgconfig")
	shell(t, dir, cmake[0], "CMAKE_PREFIX_PATH="+"/none:"+prefix)

	good := regexp.MustCompile(`noise (none|classwise) .*accuracy"?[: ](1|0\.9)`)
	for _, line := range []string{"./checkout", "LD_LIBRARY_PATH=" + library + " ./train", "./build/train"} {
		out := shell(t, dir, line)
		require.Len(t, good.FindAllString(out, -1), 2, "%s is not above 0.9:\n%s", source, out)
		require.Contains(t, out, "the first images show classes")
	}
}

// findVersions asks CMake's find_package for versions, and whether each is found.
func findVersions(t *testing.T, prefix string) {
	dir := t.TempDir()
	text := "cmake_minimum_required(VERSION 3.19)\nproject(versions LANGUAGES C)\n"
	for asked, found := range map[string]bool{
		"": true, "0": true, "0.1": true, "0.1.0 EXACT": true, "0.1...0.5": true, "0.0.1...<2": true,
		"1": false, "0.2": false, "0.1.1": false, "0.2...0.5": false, "0.0.1...<0.1.0": false, "1...2": false,
	} {
		text += fmt.Sprintf("find_package(govpn %s QUIET)\nmessage(STATUS \"[%[1]s] ${govpn_FOUND} %t\")\n", asked, found)
		text += "unset(govpn_DIR CACHE)\nunset(govpn_FOUND)\n"
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "CMakeLists.txt"), []byte(text), 0o600))
	out := shell(t, dir, "cmake -B build", "CMAKE_PREFIX_PATH="+prefix)
	answers := regexp.MustCompile(`\[(.*)\] (\w+) (\w+)`).FindAllStringSubmatch(out, -1)
	require.Len(t, answers, 12, out)
	for _, a := range answers {
		require.Equal(t, a[3] == "true", a[2] == "1" || a[2] == "TRUE", "find_package(govpn %s)", a[1])
	}
}

// The programs of docs/embedding.md compile, and the first one runs.
func TestEmbedding(t *testing.T) {
	t.Parallel()
	text := contents(t, "../docs/embedding.md")
	snippets := func(language string) []string { return matches("(?s)```"+language+"\n(.*?)```", text) }
	for _, s := range snippets("c") {
		compiled(t, s, "gcc", "-std=c11", "-fsyntax-only", "-xc", "-")
	}
	for _, s := range snippets("cpp") {
		compiled(t, s, "g++", "-std=c++17", "-fsyntax-only", "-xc++", "-")
	}
	dir, l := t.TempDir(), get(t, shipped)
	compiled(t, snippets("cpp")[0], "g++", "-std=c++17", "-xc++", "-", "-o", dir+"/first", "-L"+l.folder, "-lgovpn", "-Wl,-rpath,"+l.folder)
	require.Regexp(t, `^accuracy (1|0\.9)`, shell(t, dir, "./first"))
	for i, s := range snippets("go") { // excerpts of a function: the rest of the program is here
		program := `package main
			import ("context"; "github.com/govpn/govpn/vpn"; "github.com/govpn/govpn/vpn/data"; "github.com/govpn/govpn/vpn/device")
			func main() { use(context.Background()) }
			func use(ctx context.Context) {` + s + "\n_, _ = result, err }\n"
		file := filepath.Join(dir, "main.go")
		require.NoError(t, os.WriteFile(file, []byte(program), 0o600))
		overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root(t), fmt.Sprintf("examples/embedding%d/main.go", i)): file}})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay"), overlay, 0o600))
		shell(t, "..", fmt.Sprintf("go build -o /dev/null -overlay=%s/overlay ./examples/embedding%d", dir, i))
	}
	require.NotEmpty(t, snippets("c"))
	require.NotEmpty(t, snippets("cpp"))
	require.NotEmpty(t, snippets("go"))
}
