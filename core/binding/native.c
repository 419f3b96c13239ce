#include "binding/native.h"

#include "base/log.h"
#include "binding/native_parts.h"

#include <dlfcn.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#define SYMBOL "pinion_binding"
#define END_OF(type, member) (offsetof(type, member) + sizeof((type *)NULL)->member)

/* What any object of version 1 has, whatever this host's structs have grown to. */
enum {
    BINDING_V1 = END_OF(struct pinion_binding, close),
    FUNCTION_V1 = END_OF(struct pinion_function, cancel)
};

static int refuse(const struct native *n, int code, struct pn_error *err, const char *fmt, ...)
    PN_PRINTF(4, 5);

static int refuse(const struct native *n, int code, struct pn_error *err, const char *fmt, ...)
{
    va_list args;
    struct pn_error text;
    va_start(args, fmt);
    vsnprintf(text.message, sizeof text.message, fmt, args);
    va_end(args);
    return pn_error_set(err, code, "binding '%s': '%s': %s", n->config->name.data,
                        n->config->path.data, text.message);
}

static int no_memory(const struct native *n, struct pn_error *err)
{
    return refuse(n, PN_ENOMEM, err, "out of memory");
}

/* Nothing but the first two members can be believed before this. */
static int check_version(const struct native *n, const struct pinion_binding *b,
                         struct pn_error *err)
{
    if (!b)
        return refuse(n, PN_EINVAL, err, SYMBOL "() gave NULL");
    if (b->abi_version != PINION_ABI_VERSION)
        return refuse(n, PN_EINVAL, err, "it was made for version %u of the ABI, this host has %u",
                      b->abi_version, PINION_ABI_VERSION);
    if (b->struct_size < BINDING_V1)
        return refuse(
            n, PN_EINVAL, err,
            "its struct_size is %u, and struct pinion_binding of version %u has at least %d bytes",
            b->struct_size, PINION_ABI_VERSION, BINDING_V1);
    if (b->function_size < FUNCTION_V1 || b->function_size % alignof(struct pinion_function))
        return refuse(n, PN_EINVAL, err,
                      "its function_size is %u, and struct pinion_function of version %u has at "
                      "least %d bytes, in steps of %zu",
                      b->function_size, PINION_ABI_VERSION, FUNCTION_V1,
                      alignof(struct pinion_function));
    return 0;
}

static int check_binding(const struct native *n, struct pn_error *err)
{
    const struct pinion_binding *b = &n->binding;
    if (!b->name || !plugin_name_is_valid(text_of(b->name)))
        return refuse(n, PN_EINVAL, err,
                      "its name '%.40s' is not a lower-case letter, then letters, digits and '_'",
                      b->name ? b->name : "");
    if (!b->version || !b->summary || !b->open || !b->close)
        return refuse(n, PN_EINVAL, err, "it has no version, summary, open or close");
    if (!b->functions || b->function_count == 0 || b->function_count > NATIVE_FUNCTIONS_MAX)
        return refuse(n, PN_EINVAL, err, "it has %u functions, 1 to %d are possible",
                      b->functions ? b->function_count : 0, NATIVE_FUNCTIONS_MAX);
    return 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* From where it stands, whatever size the object was compiled with, into what is zeroed. */
static const struct pinion_function *copy_function(struct native *n, size_t i)
{
    const struct pinion_binding *b = &n->binding;
    const char *first = (const char *)b->functions;
    struct pinion_function *f = &n->functions[i].f;
    memcpy(f, first + i * b->function_size, smaller(b->function_size, sizeof *f));
    return f;
}

static int take_function(struct native *n, size_t i, struct pn_error *err)
{
    enum { KNOWN_MARKS = PINION_READS | PINION_PURE };
    struct pn_error detail;
    const struct pinion_function *f = copy_function(n, i);
    n->methods[i] = (struct value_method){f->name, native_run};
    if (!f->name || !plugin_name_is_valid(text_of(f->name)))
        return refuse(
            n, PN_EINVAL, err,
            "the name of function %zu, '%.40s', is not a lower-case letter, then letters, "
            "digits and '_'",
            i + 1, f->name ? f->name : "");
    for (size_t k = 0; k < i; k++)
        if (strcmp(n->functions[k].f.name, f->name) == 0)
            return refuse(n, PN_EINVAL, err, "function '%s' is there twice", f->name);
    if (!f->signature || !f->summary || !f->run || f->marks & ~(uint32_t)KNOWN_MARKS)
        return refuse(n, PN_EINVAL, err,
                      "function '%s' has no signature, summary or run, or marks that are not known",
                      f->name);
    int rc =
        signature_compile(&n->functions[i].signature, &n->arena, text_of(f->signature), &detail);
    return rc == 0 ? 0
                   : refuse(n, rc, err, "function '%s': signature '%.200s': %s", f->name,
                            f->signature, detail.message);
}

static int take_functions(struct native *n, struct pn_error *err)
{
    size_t count = n->binding.function_count;
    int rc = 0;
    n->functions = arena_alloc(&n->arena, count * sizeof *n->functions);
    n->methods = arena_alloc(&n->arena, (count + 1) * sizeof *n->methods);
    if (!n->functions || !n->methods)
        return no_memory(n, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = take_function(n, i, err);
    n->object = (struct value_object){n->config->name.data, n->methods, n};
    return rc;
}

static int load(struct native *n, struct pn_error *err)
{
    const struct pinion_binding *(*describe)(void);
    void *library = dlopen(n->config->path.data, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return refuse(n, PN_ENOTFOUND, err, "%s", dlerror());
    *(void **)(void *)&describe = dlsym(library, SYMBOL);
    if (!describe)
        return refuse(n, PN_EINVAL, err, "it is no binding: it has no function '" SYMBOL "'");
    const struct pinion_binding *its = describe();
    int rc = check_version(n, its, err);
    if (rc != 0)
        return rc;
    memcpy(&n->binding, its, smaller(its->struct_size, sizeof n->binding));
    rc = check_binding(n, err);
    return rc == 0 ? take_functions(n, err) : rc;
}

/* The configuration is `open`'s for as long as it runs. */
static int open_one(struct native *n, struct pn_error *err)
{
    static const struct json_value none = {.kind = JSON_KIND_OBJECT};
    struct arena arena;
    struct native_builder config;
    arena_init(&arena);
    native_builder_init(&config, &arena);
    native_build_json(&config, n->config->config ? n->config->config : &none);
    int rc = 0;
    if (config.problem)
        rc = refuse(n, PN_EINVAL, err, "its config: %s", config.problem);
    else if (config.no_memory)
        rc = no_memory(n, err);
    else if (n->binding.open(&n->host, config.root.items.first, &n->instance) != 0)
        rc = refuse(n, PN_EINVAL, err, "it does not open: %s",
                    n->rejection[0] ? n->rejection : "it gives no reason");
    else
        n->opened = true;
    arena_release(&arena);
    return rc;
}

int natives_open(struct natives **out, const struct native_configs *configs, struct loop *loop,
                 struct threads *threads, struct pn_error *err)
{
    struct natives *all = calloc(1, sizeof *all + configs->count * sizeof *all->list);
    int rc = 0;
    if (!all)
        return pn_error_set(err, PN_ENOMEM, "out of memory");
    all->loop = loop;
    all->threads = threads;
    for (; all->count < configs->count && rc == 0; all->count++) {
        struct native *n = &all->list[all->count];
        n->all = all;
        n->config = &configs->list[all->count];
        native_fill_host(&n->host);
        rc = load(n, err);
        if (rc == 0)
            rc = open_one(n, err);
    }
    if (rc == 0)
        *out = all;
    else
        natives_free(all);
    return rc;
}

static void close_one(struct native *n)
{
    if (n->opened)
        n->binding.close(n->instance);
    native_release_host(n);
    if (n->calls)
        LOG(LOG_WARN, "a binding has not ended all of its calls",
            LOG_TEXT("binding", n->config->name), LOG_INT("calls", n->call_count));
    while (n->calls)
        native_call_free(n->calls);
    arena_release(&n->arena);
}

void natives_free(struct natives *all)
{
    if (!all)
        return;
    all->closing = true;
    if (all->running)
        threads_wait(all->threads);
    for (size_t i = 0; i < all->count; i++)
        close_one(&all->list[i]);
    free(all);
}

static struct native *find(struct natives *all, struct text name)
{
    for (size_t i = 0; all && i < all->count; i++)
        if (text_equal(all->list[i].config->name, name))
            return &all->list[i];
    return NULL;
}

int natives_bind(struct natives *all, const struct plugin_definition *plugin, struct vm *vm,
                 struct pn_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < plugin->need_count && rc == 0; i++) {
        struct text name;
        if (!plugin_need_binding(plugin->needs[i], &name))
            continue;
        struct native *n = find(all, name);
        if (!n)
            return pn_error_set(err, PN_EINVAL,
                                "'%s' needs binding '%s', which this host does not have",
                                plugin->name.data, name.data);
        rc = vm_bind(vm, &n->object, err);
    }
    return rc;
}
