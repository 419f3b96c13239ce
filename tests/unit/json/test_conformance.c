/*
 * Conformance: every file of the public JSON test suite (N. Seriot's "Parsing JSON is a Minefield")
 * when it lies beside the source tree: y_ is accepted, n_ is refused, i_ ends in one or the other.
 */
#include "base/file.h"
#include "json/reader.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FILE_MAX = 1 << 20 };

static bool accepts(struct text input)
{
    struct buffer scratch = BUFFER_INIT;
    struct json_reader r;
    json_reader_init(&r, input, &scratch);
    enum json_token token;
    do
        token = json_reader_next(&r);
    while (token != JSON_ERROR && token != JSON_END);
    buffer_release(&scratch);
    return token == JSON_END;
}

static bool accepts_file(const char *directory, const char *name)
{
    char path[FILE_PATH_MAX];
    struct pn_error err = {0};
    struct buffer content = BUFFER_INIT;
    if (file_join(path, sizeof path, directory, text_of(name), &err) != 0 ||
        file_read(path, FILE_MAX, &content, &err) != 0)
        fail_msg("%s", err.message);
    bool accepted = accepts(buffer_text(&content));
    buffer_release(&content);
    return accepted;
}

static void reader__agrees_with_the_public_suite(void **state)
{
    (void)state;
    char directory[FILE_PATH_MAX];
    const char *source = getenv("PINION_SOURCE");
    snprintf(directory, sizeof directory, "%s/../shared/data/json-test-suite/test_parsing",
             source ? source : ".");
    DIR *dir = opendir(directory);
    if (!dir) {
        print_message("skipped: no '%s'\n", directory);
        skip();
    }
    int yes = 0, no = 0, either = 0, wrong = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char kind = entry->d_name[0];
        if (entry->d_name[1] != '_' || !strchr("yni", kind))
            continue;
        bool accepted = accepts_file(directory, entry->d_name);
        yes += kind == 'y';
        no += kind == 'n';
        either += kind == 'i';
        if ((kind == 'y' && !accepted) || (kind == 'n' && accepted)) {
            print_error("%s: %s\n", entry->d_name, accepted ? "accepted" : "refused");
            wrong++;
        }
    }
    closedir(dir);
    print_message("%d to accept, %d to refuse, %d either way, %d wrong\n", yes, no, either, wrong);
    assert_int_equal(wrong, 0);
    assert_true(yes > 0 && no > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reader__agrees_with_the_public_suite)};
    return cmocka_run_group_tests_name("json conformance", tests, NULL, NULL);
}
