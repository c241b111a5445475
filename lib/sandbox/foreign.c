/* SPDX-License-Identifier: Apache-2.0 */
#include "foreign.h"

#include "binfmt.h"

#include "base/fs.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_CODE 42
#define LOAD_AT 0x400000u
#define ALIGNMENT 0x10000u /* the largest page of any of them */
#define OUTPUT_MAX ((size_t)4 << 10)
#define TIMEOUT_MS 60000
#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

/* _exit(EXIT_CODE) of each machine, as the manuals of its instructions and the kernel's tables of system calls have it. */
static const struct machine {
	const char *name;
	uint16_t elf;
	bool narrow, big; /* 32 bits; big-endian */
	uint32_t flags;
	unsigned char code[12];
} machines[] = {
	/* mov edi, 42; mov eax, 60; syscall */
	{ "amd64", EM_X86_64, .code = { 0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05 } },
	/* mov ebx, 42; mov eax, 1; int 0x80 */
	{ "386", EM_386, .narrow = true, .code = { 0xbb, 42, 0, 0, 0, 0xb8, 1, 0, 0, 0, 0xcd, 0x80 } },
	/* mov x0, 42; mov x8, 93; svc 0 */
	{ "arm64", EM_AARCH64, .code = { 0x40, 0x05, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0, 0, 0xd4 } },
	/* mov r0, 42; mov r7, 1; svc 0 */
	{ "arm", EM_ARM, .narrow = true, .flags = EF_ARM_EABI_VER5, .code = { 42, 0, 0xa0, 0xe3, 1, 0x70, 0xa0, 0xe3, 0, 0, 0, 0xef } },
	/* li a0, 42; li a7, 93; ecall */
	{ "riscv64", EM_RISCV, .code = { 0x13, 0x05, 0xa0, 0x02, 0x93, 0x08, 0xd0, 0x05, 0x73, 0, 0, 0 } },
	/* li r0, 1; li r3, 42; sc */
	{ "ppc64le", EM_PPC64, .flags = 2, .code = { 1, 0, 0, 0x38, 42, 0, 0x60, 0x38, 0x02, 0, 0, 0x44 } },
	/* lghi r2, 42; svc 1 */
	{ "s390x", EM_S390, .big = true, .code = { 0xa7, 0x29, 0, 42, 0x0a, 1 } },
	/* addi.w a0, zero, 42; addi.w a7, zero, 93; syscall 0 */
	{ "loong64", EM_LOONGARCH, .flags = 0x43, .code = { 0x04, 0xa8, 0x80, 0x02, 0x0b, 0x74, 0x81, 0x02, 0, 0, 0x2b, 0 } },
	/* li v0, 5058; li a0, 42; syscall */
	{ "mips64le", EM_MIPS, .flags = EF_MIPS_ARCH_64R2, .code = { 0xc2, 0x13, 0x02, 0x24, 42, 0, 0x04, 0x24, 0x0c, 0, 0, 0 } },
};

void sandbox_foreign_clear(struct sandbox_foreign *f)
{
	free(f->interpreter);
	free(f->reason);
	free(f->cure);
	*f = (struct sandbox_foreign){ 0 };
}

const char *const *sandbox_machines(void)
{
	static const char *names[RN_LEN(machines) + 1];
	for (size_t i = 0; i < RN_LEN(machines); i++)
		names[i] = machines[i].name;
	return names;
}

/* ---- the program ------------------------------------------------------------------------------ */

static void put(struct rn_buf *b, const struct machine *m, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		rn_buf_addc(b, (char)(value >> 8 * (m->big ? size - 1 - i : i)));
}

/* An ELF file with one segment, all of it: headers and code (System V ABI, chapters 4 and 5). */
static void make_program(const struct machine *m, struct rn_buf *b)
{
	size_t word = m->narrow ? 4 : 8, head = m->narrow ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr);
	size_t segment = m->narrow ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr), all = head + segment + sizeof(m->code);
	const unsigned char ident[EI_NIDENT] = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, m->narrow ? ELFCLASS32 : ELFCLASS64,
						 m->big ? ELFDATA2MSB : ELFDATA2LSB, EV_CURRENT };
	rn_buf_add(b, ident, sizeof(ident));
	put(b, m, ET_EXEC, 2);
	put(b, m, m->elf, 2);
	put(b, m, EV_CURRENT, 4);
	put(b, m, LOAD_AT + head + segment, word); /* entry */
	put(b, m, head, word);                     /* where segments are listed; sections: nowhere */
	put(b, m, 0, word);
	put(b, m, m->flags, 4);
	put(b, m, head, 2);
	put(b, m, segment, 2);
	put(b, m, 1, 2);
	put(b, m, 0, 6);
	put(b, m, PT_LOAD, 4);
	if (!m->narrow)
		put(b, m, PF_R | PF_X, 4);
	put(b, m, 0, word); /* offset, addresses, sizes */
	put(b, m, LOAD_AT, word);
	put(b, m, LOAD_AT, word);
	put(b, m, all, word);
	put(b, m, all, word);
	if (m->narrow)
		put(b, m, PF_R | PF_X, 4);
	put(b, m, ALIGNMENT, word);
	rn_buf_add(b, m->code, sizeof(m->code));
}

/* ---- the attempt -------------------------------------------------------------------------------- */

static void collect(void *data, int stream, const char *bytes, size_t n)
{
	(void)stream;
	rn_buf_add(data, bytes, n);
}

/* 1 when it ran; 0 when the machine does not run such programs, *ret_why a new string; -1: the sandbox itself failed. */
static int try_in(const struct sandbox_host *host, const char *root, char **ret_why, struct rn_error *err)
{
	static const char *const argv[] = { "/program", NULL }, *const env[] = { NULL };
	struct rn_error failure = { 0 };
	struct sandbox_spec s = SANDBOX_SPEC_INIT;
	struct sandbox_status status = { 0 };
	RN_AUTO(rn_buf_clear) struct rn_buf said = { .max = OUTPUT_MAX };
	s.host = host;
	s.rootfs = root;
	s.argv = argv;
	s.env = env;
	s.keep_caps = s.fake_ids = true;
	const struct sandbox_io io = { .output = collect, .data = &said, .together = true, .cancel_fd = -1, .timeout_ms = TIMEOUT_MS };
	if (sandbox_run(&s, &io, &status, &failure) < 0) {
		*ret_why = rn_strdup(failure.msg);
		if (failure.code == RN_EUNSUPPORTED || failure.code == RN_ENOTFOUND || failure.code == RN_EAUTH)
			return 0;
		return rn_fail(err, failure.code, "try a program of another architecture: %s", failure.msg);
	}
	if (status.code == EXIT_CODE)
		return 1;
	RN_AUTO(rn_freep) char *text = rn_strdup(rn_buf_str(&said));
	*ret_why = rn_asprintf("what runs it ended with status %d%s%.200s", status.code, *text ? ": " : "", rn_trim(text));
	return 0;
}

/* The cause and the cure, by what is registered. */
static void explain(const struct rn_buf *program, const char *why, struct sandbox_foreign *ret)
{
	struct binfmt_entry e;
	enum binfmt_found found = binfmt_find(BINFMT_DIR, program->p, program->len, &e);
	const char *unseen = found == BINFMT_UNSEEN ? " (" BINFMT_DIR " is not mounted here, so what is registered cannot be seen)" : "";
	if (found == BINFMT_ON && !e.fixed) {
		ret->interpreter = rn_strdup(e.interpreter);
		ret->reason = rn_asprintf("its interpreter %s (entry %s of binfmt_misc) is looked for in the image, since it was registered without the "
					  "flag F", e.interpreter, e.name);
		ret->cure = rn_asprintf("register it with F (the package qemu-user-static does), or put %s into the base image", e.interpreter);
	} else if (found == BINFMT_ON) {
		ret->reason = rn_asprintf("the entry %s of binfmt_misc is for it, but %s", e.name, why);
		ret->cure = rn_asprintf("see that %s works, and register it anew", e.interpreter);
	} else if (found == BINFMT_OFF || found == BINFMT_ALL_OFF) {
		const char *what = found == BINFMT_OFF ? e.name : "status";
		ret->reason = found == BINFMT_OFF ? rn_asprintf("the entry %s of binfmt_misc is switched off", e.name) :
						    rn_strdup("binfmt_misc is switched off");
		ret->cure = rn_asprintf("as root: echo 1 >" BINFMT_DIR "/%s", what);
	} else {
		ret->reason = rn_asprintf("the kernel does not run it itself, and no interpreter for it is registered%s", unseen);
		ret->cure = rn_strdup("as root: apt-get install qemu-user-static binfmt-support (Debian, Ubuntu), or from a privileged container: docker "
				      "run --privileged --rm tonistiigi/binfmt --install all");
	}
	binfmt_entry_clear(&e);
}

int sandbox_foreign(const struct sandbox_host *host, const char *dir, const char *architecture, struct sandbox_foreign *ret,
		    struct rn_error *err)
{
	const struct machine *m = NULL;
	for (size_t i = 0; i < RN_LEN(machines); i++)
		if (rn_streq(machines[i].name, architecture))
			m = &machines[i];
	*ret = (struct sandbox_foreign){ .runs = !m };
	if (!m)
		return 0;
	RN_AUTO(rn_buf_clear) struct rn_buf program = RN_BUF_INIT;
	RN_AUTO(rn_freep) char *above = rn_path_abs(NULL, dir), *root = rn_temp_dir(above, "machine-", err), *why = NULL;
	RN_AUTO(rn_freep) char *file = root ? rn_path_join(root, "program") : NULL;
	if (!root)
		return -1;
	make_program(m, &program);
	int rc = chmod(root, 0755) < 0 ? rn_fail(err, RN_EIO, "chmod %s: %m", root) : rn_write_file(file, program.p, program.len, 0755, err);
	if (rc == 0)
		rc = try_in(host, root, &why, err);
	if (rc == 0)
		explain(&program, why, ret);
	ret->runs = rc > 0;
	rn_remove_tree(root, NULL);
	return rc < 0 ? -1 : 0;
}
