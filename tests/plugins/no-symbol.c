/* SPDX-License-Identifier: Apache-2.0 */
/* A shared object without a descriptor. */
int runner_test_nothing(void);

int runner_test_nothing(void)
{
	return 0;
}
