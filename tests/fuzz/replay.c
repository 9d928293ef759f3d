/* Runs a fuzz target over files without a fuzzer: `replay FILE...`; also with every prefix of each small file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len); /* exact size, so that ASan sees a read past the end */

	if (copy == NULL) abort();
	if (len > 0) memcpy(copy, data, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void replay_file(const char *path)
{
	static uint8_t data[4 << 20];
	FILE *f = fopen(path, "rb");
	size_t len;

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	len = fread(data, 1, sizeof(data), f);
	fclose(f);
	run(data, len);
	for (size_t n = 0; n < len && len <= 2048; n++) run(data, n);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) replay_file(argv[i]);
	printf("%d inputs\n", argc - 1);
	return 0;
}
