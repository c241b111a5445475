/* SPDX-License-Identifier: Apache-2.0 */
#include "columns.h"

#include "base/mem.h"

#include <stdint.h>

struct range {
	uint32_t from, to;
};

/* Unicode East_Asian_Width W and F, joined over gaps that hold no assigned narrow characters; emoji that are shown wide. */
static const struct range wide[] = {
	{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x23e9, 0x23ec },	  { 0x25fd, 0x25fe },	{ 0x2614, 0x2615 },
	{ 0x2648, 0x2653 },   { 0x26a1, 0x26a1 },   { 0x2705, 0x2705 },	  { 0x270a, 0x270b },	{ 0x2728, 0x2728 },
	{ 0x274c, 0x274c },   { 0x274e, 0x274e },   { 0x2753, 0x2755 },	  { 0x2757, 0x2757 },	{ 0x2795, 0x2797 },
	{ 0x2b1b, 0x2b1c },   { 0x2b50, 0x2b50 },   { 0x2e80, 0x303e },	  { 0x3041, 0xa4cf },	{ 0xa960, 0xa97f },
	{ 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },	  { 0xff00, 0xff60 },	{ 0xffe0, 0xffe6 },
	{ 0x16fe0, 0x18cff }, { 0x1b000, 0x1b2ff }, { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff },
	{ 0x1fa70, 0x1faff }, { 0x20000, 0x3fffd },
};
/* Combining marks of the common blocks, joiners, variation selectors. */
static const struct range none[] = {
	{ 0x0300, 0x036f }, { 0x0483, 0x0489 }, { 0x0591, 0x05bd }, { 0x064b, 0x065f }, { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff },
	{ 0x200b, 0x200f }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xe0100, 0xe01ef },
};

static int in(const struct range *r, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n && r[i].from <= c; i++)
		if (c <= r[i].to)
			return 1;
	return 0;
}

size_t columns_next(const char *text, size_t *ret_columns)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = 1, want = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 1;
	uint32_t c = want == 4 ? p[0] & 0x07u : want == 3 ? p[0] & 0x0fu : want == 2 ? p[0] & 0x1fu : p[0];
	while (n < want && (p[n] & 0xc0) == 0x80)
		c = c << 6 | (p[n++] & 0x3fu);
	*ret_columns = n < want ? 1 : in(none, RN_LEN(none), c) ? 0 : in(wide, RN_LEN(wide), c) ? 2 : 1;
	return n;
}

size_t columns_of(const char *text)
{
	size_t all = 0, one;
	while (*text) {
		text += columns_next(text, &one);
		all += one;
	}
	return all;
}
