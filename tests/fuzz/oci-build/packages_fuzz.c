/* SPDX-License-Identifier: Apache-2.0 */
/* What an SBOM is read from: databases of rpm (behind a line "--wal--", their log), programs, archives, texts. */
#include "plugins/oci-build/packages.h"
#include "plugins/oci-build/spdx_license.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mark[] = "--wal--\n";
	if (size > (size_t)1 << 20)
		return 0;
	struct packages p;
	struct rn_error err = { 0 };
	const uint8_t *log = memmem(data, size, mark, sizeof(mark) - 1);
	struct bytes all = { data, log ? (size_t)(log - data) : size }, wal = { NULL, 0 };
	if (log)
		wal = (struct bytes){ log + sizeof(mark) - 1, size - all.n - (sizeof(mark) - 1) };
	RN_AUTO(rn_freep) char *text = rn_strndup((const char *)data, size);
	packages_init(&p);
	distribution_read(text, &p.distribution);
	packages_read_rpm(&p, all, wal, "rpm", &err);
	packages_read_go(&p, all, "go");
	packages_read_jar(&p, all, "jar");
	packages_read_gem(&p, text, "gem");
	packages_read_dpkg(&p, text, "dpkg");
	packages_read_apk(&p, text, "apk");
	packages_read_python(&p, text, "python");
	packages_read_npm(&p, text, strlen(text), "npm");
	spdx_license_is_expression(text);
	packages_clear(&p);
	return 0;
}
