/*
 * Conformance: every case of the official JSON Schema test suite, draft 2020-12, when it lies beside
 * the source tree. A schema that needs what this host refuses on purpose must be refused, and is
 * listed by name; everything else must give the suite's answer.
 */
#include "base/file.h"
#include "contract/schema.h"
#include "json/reader.h"
#include "json/tree.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FILE_MAX = 4 << 20 };

struct tally {
    int passed, total, refused, known, wrong;
    bool formats;
};

/* The text of a value, which ends where a reader says. */
static struct text text_of_value(struct text file, const struct json_value *value)
{
    struct text rest = {file.data + value->offset, file.len - value->offset};
    struct buffer scratch = BUFFER_INIT;
    struct json_reader r;
    json_reader_init(&r, rest, &scratch);
    assert_int_equal(json_reader_skip(&r, json_reader_next(&r)), 0);
    rest.len = (size_t)(r.at - r.start);
    buffer_release(&scratch);
    return rest;
}

static bool is_refused_on_purpose(const char *message)
{
    static const char *const reasons[] = {"is not in this document, and nothing is fetched",
                                          "dynamic references are not supported",
                                          "is not the draft", "cannot be checked here"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strstr(message, reasons[i]))
            return true;
    return false;
}

/* Optional cases that are answered otherwise, and why. */
static bool is_known_difference(const char *file, struct text group, struct text test)
{
    /* The draft no longer knows "dependencies": an annotation. */
    if (strcmp(file, "dependencies-compatibility.json") == 0)
        return true;
    /* Punycode is not decoded; PCRE2 knows no lookbehind of variable width, and says so. */
    return text_starts_with(group, TEXT("validation of A-label")) ||
           text_ends_with(test, TEXT("variable-width lookbehind (ES2018)"));
}

static struct text member_text(const struct json_value *object, const char *name)
{
    return json_value_member(object, text_of(name))->value.string;
}

static void check_case(const struct schema *schema, struct text file, const struct json_value *test,
                       const char *name, struct text group, struct tally *tally)
{
    struct text data = text_of_value(file, &json_value_member(test, TEXT("data"))->value);
    bool wanted = json_value_member(test, TEXT("valid"))->value.boolean;
    struct contract_offences o;
    contract_offences_init(&o);
    bool valid = schema_check(schema, data, NULL, &o, NULL);
    assert_true(valid == (o.count == 0));
    assert_false(o.list.failed);
    struct text description = member_text(test, "description");
    bool known = valid != wanted && is_known_difference(name, group, description);
    tally->total++;
    tally->passed += valid == wanted;
    tally->known += known;
    tally->wrong += valid != wanted && !known;
    if (valid != wanted && !known)
        print_error("%s: %.*s: %.*s: %s %s\n", name, TEXT_ARGS(group), TEXT_ARGS(description),
                    valid ? "valid" : "not valid", buffer_text(&o.list).data);
    contract_offences_release(&o);
}

static void check_group(struct text file, const struct json_value *group, const char *name,
                        struct tally *tally)
{
    struct arena arena;
    struct pn_error err = {0};
    const struct schema *schema;
    const struct json_value *tests = &json_value_member(group, TEXT("tests"))->value;
    struct text description = member_text(group, "description");
    struct text text = text_of_value(file, &json_value_member(group, TEXT("schema"))->value);
    struct schema_options options = {.assert_formats = tally->formats};
    arena_init(&arena);
    int code = schema_compile(&schema, &arena, text, &options, &err);
    if (code == 0) {
        for (size_t i = 0; i < tests->array.count; i++)
            check_case(schema, file, &tests->array.items[i], name, description, tally);
    } else if (is_refused_on_purpose(err.message)) {
        tally->total += (int)tests->array.count;
        tally->refused += (int)tests->array.count;
        print_message("refused: %s: %.*s (%zu): %s\n", name, TEXT_ARGS(description),
                      tests->array.count, err.message);
    } else {
        tally->total += (int)tests->array.count;
        tally->wrong += (int)tests->array.count;
        print_error("%s: %.*s: %s\n", name, TEXT_ARGS(description), err.message);
    }
    arena_release(&arena);
}

static void check_file(const char *directory, const char *name, struct tally *tally)
{
    char path[FILE_PATH_MAX];
    struct pn_error err = {0};
    struct buffer content = BUFFER_INIT;
    struct arena arena;
    const struct json_value *groups = NULL;
    arena_init(&arena);
    if (file_join(path, sizeof path, directory, text_of(name), &err) != 0 ||
        file_read(path, FILE_MAX, &content, &err) != 0 ||
        json_tree_parse(&groups, &arena, buffer_text(&content), &err) != 0)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < groups->array.count; i++)
        check_group(buffer_text(&content), &groups->array.items[i], name, tally);
    arena_release(&arena);
    buffer_release(&content);
}

static void find_suite(char *directory, size_t size, const char *below)
{
    const char *source = getenv("PINION_SOURCE");
    snprintf(directory, size, "%s/../shared/data/json-schema-test-suite/tests/draft2020-12%s",
             source ? source : ".", below);
}

/* Files about what is refused on purpose. */
static bool is_about_the_refused(const char *name)
{
    return strcmp(name, "dynamicRef.json") == 0 || strcmp(name, "vocabulary.json") == 0 ||
           strcmp(name, "refRemote.json") == 0;
}

static void check_folder(const char *below, bool about_the_refused, struct tally *tally)
{
    char directory[FILE_PATH_MAX];
    find_suite(directory, sizeof directory, below);
    DIR *dir = opendir(directory);
    if (!dir) {
        print_message("skipped: no '%s'\n", directory);
        skip();
    }
    for (struct dirent *entry; (entry = readdir(dir));)
        if (text_ends_with(text_of(entry->d_name), TEXT(".json")) &&
            is_about_the_refused(entry->d_name) == about_the_refused)
            check_file(directory, entry->d_name, tally);
    closedir(dir);
    print_message("%d of %d passed, %d refused by name, %d otherwise on purpose\n", tally->passed,
                  tally->total, tally->refused, tally->known);
    assert_int_equal(tally->wrong, 0);
    assert_int_equal(tally->passed + tally->refused + tally->known, tally->total);
}

static void schema__agrees_with_the_official_suite(void **state)
{
    (void)state;
    struct tally tally = {.formats = false};
    check_folder("", false, &tally);
    assert_true(tally.passed > 1000 && tally.refused < 30 && tally.known == 0);
}

static void schema__gives_no_wrong_answer_where_it_refuses(void **state)
{
    (void)state;
    struct tally tally = {.formats = false};
    check_folder("", true, &tally);
}

static void schema__agrees_with_the_optional_suite(void **state)
{
    (void)state;
    struct tally tally = {.formats = false};
    check_folder("/optional", false, &tally);
}

static void format__agrees_with_the_optional_suite(void **state)
{
    (void)state;
    struct tally tally = {.formats = true};
    check_folder("/optional/format", false, &tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema__agrees_with_the_official_suite),
        cmocka_unit_test(schema__gives_no_wrong_answer_where_it_refuses),
        cmocka_unit_test(schema__agrees_with_the_optional_suite),
        cmocka_unit_test(format__agrees_with_the_optional_suite),
    };
    return cmocka_run_group_tests_name("json schema suite", tests, NULL, NULL);
}
