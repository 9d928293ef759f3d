# awk -f tools/layers.awk tools/layers.txt FILE...: each #include "folder/..." must be allowed for the including folder.
FILENAME == ARGV[1] { sub(/#.*/, ""); if (split($0, part, ":") == 2) { gsub(/ /, "", part[1]); may[part[1]] = " " part[1] " " part[2] " " } next }
/^#include "[a-z0-9_]+\// {
	split(FILENAME, from, "/"); split($2, to, /["\/]/)
	if (index(may[from[1]], " " to[2] " ") == 0) { printf "%s:%d: %s may not include %s\n", FILENAME, FNR, from[1], to[2]; bad = 1 }
}
END { exit bad }
