#include "base/log.h"

#include "vm_fixture.h"

/* A chunk that returns nil when all is well, or a text that says what is not. */
static void expect_in_sandbox(const char *chunk)
{
    static char init[8192];
    snprintf(init, sizeof init, "%s%s%s", "local function check() ", chunk,
             " end\nlocal bad = check()\nif bad then error(bad, 0) end\n" ACTION(
                 "run = function() end"));
    load(init);
}

static void sandbox__has_no_ambient_authority(void **state)
{
    (void)state;
    expect_in_sandbox(
        "for _, name in ipairs { 'io', 'debug', 'package', 'dofile', 'loadfile', 'warn' } do\n"
        "  if _G[name] ~= nil then return name .. ' is there' end\n"
        "end\n"
        "for _, name in ipairs { 'execute', 'exit', 'getenv', 'remove', 'rename', 'setlocale', 'tmpname' } do\n"
        "  if os[name] ~= nil then return 'os.' .. name .. ' is there' end\n"
        "end\n"
        "if string.dump then return 'string.dump' end");
}

static void sandbox__has_the_pure_libraries(void **state)
{
    (void)state;
    expect_in_sandbox(
        "if math.floor(1.5) ~= 1 or ('x'):rep(2) ~= 'xx' or utf8.char(65) ~= 'A' or\n"
        "  table.concat({ 1, 2 }, ',') ~= '1,2' or type(os.time()) ~= 'number' or\n"
        "  type(coroutine.create(function() end)) ~= 'thread' then return 'missing' end");
}

static void sandbox__refuses_finalizers(void **state)
{
    (void)state;
    expect_in_sandbox(
        "local ok, why = pcall(setmetatable, {}, { __gc = function() end })\n"
        "if ok or not why:find('__gc', 1, true) then return tostring(why) end\n"
        "local m = {}\nlocal x = setmetatable({}, m)\nm.__gc = function() error('ran') end\n"
        "if getmetatable(x) ~= m or setmetatable({}, nil) == nil then return 'broken' end");
}

static void sandbox__setmetatable_still_checks_its_arguments(void **state)
{
    (void)state;
    expect_in_sandbox(
        "if pcall(setmetatable, 1, {}) or pcall(setmetatable, {}, 1) or pcall(setmetatable, {})\n"
        "then return 'accepted' end\n"
        "if pcall(setmetatable, setmetatable({}, { __metatable = 1 }), {}) then return 'locked' end");
}

static void sandbox__loads_text_only(void **state)
{
    (void)state;
    expect_in_sandbox(
        "local f, why = load('\\27Lua')\n"
        "if f or not why:find('binary', 1, true) then return tostring(why) end\n"
        "if load('return 1 +')  then return 'syntax' end\n"
        "if load('return x', 'c', 'b', { x = 7 })() ~= 7 then return 'environment' end\n"
        "if load('return x', 'c', 't', nil) == nil then return 'nil environment' end");
}

static void sandbox__loads_pieces(void **state)
{
    (void)state;
    expect_in_sandbox(
        "local function pieces(...)\n"
        "  local list, i = { ... }, 0\n"
        "  return function() i = i + 1 return list[i] end\n"
        "end\n"
        "if load(pieces('return ', '1 ', '+ 2'))() ~= 3 then return 'three pieces' end\n"
        "if load(pieces())() then return 'none' end\n"
        "if load(pieces('return 1', '', ' + 1'))() ~= 1 then return 'an empty piece ends it' end\n"
        "local f, why = load(pieces('\\27Lua'))\n"
        "if f or not why:find('binary', 1, true) then return tostring(why) end\n"
        "local ok, e = pcall(load, function() return {} end)\n"
        "if ok or not e:find('must return a string', 1, true) then return tostring(e) end\n"
        "if pcall(load, 7) then return 'a number' end\n"
        "ok, e = pcall(load, function() error('mine', 0) end)\n"
        "if ok or e ~= 'mine' then return tostring(e) end");
}

static void sandbox__bounds_what_is_compiled(void **state)
{
    (void)state;
    expect_in_sandbox(
        "local long = ('-'):rep(262145)\n"
        "local f, why = load(long)\n"
        "if f or why ~= 'load: source is longer than 262144 bytes' then return tostring(why) end\n"
        "local endless = function() return ' ' .. ('-'):rep(1000) end\n"
        "f, why = load(endless)\n"
        "if f or why ~= 'load: source is longer than 262144 bytes' then return tostring(why) end\n"
        "if not load(long:sub(2)) then return 'as long as allowed' end\n"
        "f, why = load('return ' .. ('('):rep(5000) .. '1' .. (')'):rep(5000))\n"
        "if f or not why:find('overflow', 1, true) then return tostring(why) end");
}

static void sandbox__bounds_formats(void **state)
{
    (void)state;
    expect_in_sandbox(
        "for _, f in ipairs { string.pack, string.packsize, string.unpack } do\n"
        "  local ok, why = pcall(f, ('b'):rep(4097), '')\n"
        "  if ok or not why:find('format is longer than 4096 bytes', 1, true) then return why end\n"
        "end\n"
        "if string.unpack('<i4', string.pack('<i4', -7)) ~= -7 then return 'pack' end\n"
        "local ok, why = pcall(os.date, ('x'):rep(257))\n"
        "if ok or why ~= 'os.date: format is longer than 256 bytes' then return why end\n"
        "if os.date('!%Y', 0) ~= '1970' or not os.date():find(':') then return 'date' end");
}

static void sandbox__tells_no_addresses(void **state)
{
    (void)state;
    expect_in_sandbox(
        "local t = {}\n"
        "if tostring(t) ~= string.format('%s', t) then return 'two names' end\n"
        "if tostring(t) == tostring({}) then return 'one name for two' end\n"
        "if tostring(setmetatable({}, { __name = 'mine' })):sub(1, 8) ~= 'mine: 0x' then return 'named' end\n"
        "if tostring(nil) .. tostring(true) .. tostring(1.5) .. tostring('x') ~= 'niltrue1.5x'\n"
        "then return 'plain' end");
}

static void sandbox__locks_the_metatable_of_strings(void **state)
{
    (void)state;
    expect_in_sandbox("if getmetatable('') ~= 'string' then return 'open' end");
}

static void sandbox__counts_memory_but_does_not_collect(void **state)
{
    (void)state;
    expect_in_sandbox(
        "if collectgarbage() <= 0 or collectgarbage('count') <= 0 then return 'count' end\n"
        "if pcall(collectgarbage, 'stop') then return 'stop' end");
}

static void require__runs_a_module_once_with_its_name(void **state)
{
    (void)state;
    put_module("lib/money.lua", "count = (count or 0) + 1\nreturn { name = ..., count = count }");
    expect_in_sandbox("local a, b = require 'lib.money', require 'lib.money'\n"
                      "if a ~= b or a.count ~= 1 or a.name ~= 'lib.money' then return 'wrong' end");
}

static void require__gives_true_for_a_module_without_value(void **state)
{
    (void)state;
    put_module("quiet.lua", "");
    expect_in_sandbox("if require 'quiet' ~= true then return 'wrong' end");
}

static void require__names_what_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(try_load("require 'no.such'"), PN_ESCRIPT);
    assert_string_equal(
        fx.err.message,
        "test/init.lua:1: module 'no.such' not found: a plugin can require its own files and 'pinion'");
}

static void require__stays_inside_the_plugin(void **state)
{
    (void)state;
    put_module("../other/init.lua", "return 1");
    put_module("/etc.lua", "return 1");
    expect_in_sandbox(
        "for _, name in ipairs { '..other.init', '.etc', '../other/init', 'a/b', '', 'x.', "
        "('n'):rep(200), 'a..b' } do\n"
        "  if pcall(require, name) then return name end\nend");
}

static void require__refuses_a_circle(void **state)
{
    (void)state;
    put_module("a.lua", "return require 'b'");
    put_module("b.lua", "return require 'a'");
    assert_int_equal(try_load("require 'a'"), PN_ESCRIPT);
    expect_text(fx.err.message, "test/b.lua:1: module 'a' requires itself");
}

static void require__names_the_file_of_a_broken_module(void **state)
{
    (void)state;
    put_module("lib/broken.lua", "\n\nlocal = 1");
    assert_int_equal(try_load("require 'lib.broken'"), PN_ESCRIPT);
    expect_text(fx.err.message, "test/lib/broken.lua:3:");
}

static void require__says_again_why_a_module_failed(void **state)
{
    (void)state;
    put_module("broken.lua", "error('it is broken')");
    expect_in_sandbox("pcall(require, 'broken')\nlocal _, why = pcall(require, 'broken')\n"
                      "if not why:find('it is broken', 1, true) then return why end");
}

static void require__a_plugin_cannot_replace_the_prelude(void **state)
{
    (void)state;
    put_module("pinion.lua", "return 'mine'");
    put_module("pinion/types.lua", "return 'mine'");
    expect_in_sandbox(
        "if require 'pinion' == 'mine' or require 'pinion.types' == 'mine' then return 'mine' end");
}

static void require__the_prelude_has_one_name(void **state)
{
    (void)state;
    expect_in_sandbox("if pcall(require, 'pinion.pinion') then return 'two' end");
}

static void print__goes_nowhere_a_plugin_can_see(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    expect_in_sandbox(
        "print('a', 1, nil, setmetatable({}, { __tostring = function() return 'T' end }))");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VM_TEST(sandbox__has_no_ambient_authority),
        VM_TEST(sandbox__has_the_pure_libraries),
        VM_TEST(sandbox__refuses_finalizers),
        VM_TEST(sandbox__setmetatable_still_checks_its_arguments),
        VM_TEST(sandbox__loads_text_only),
        VM_TEST(sandbox__loads_pieces),
        VM_TEST(sandbox__bounds_what_is_compiled),
        VM_TEST(sandbox__bounds_formats),
        VM_TEST(sandbox__tells_no_addresses),
        VM_TEST(sandbox__locks_the_metatable_of_strings),
        VM_TEST(sandbox__counts_memory_but_does_not_collect),
        VM_TEST(require__runs_a_module_once_with_its_name),
        VM_TEST(require__gives_true_for_a_module_without_value),
        VM_TEST(require__names_what_is_not_there),
        VM_TEST(require__stays_inside_the_plugin),
        VM_TEST(require__refuses_a_circle),
        VM_TEST(require__names_the_file_of_a_broken_module),
        VM_TEST(require__says_again_why_a_module_failed),
        VM_TEST(require__a_plugin_cannot_replace_the_prelude),
        VM_TEST(require__the_prelude_has_one_name),
        VM_TEST(print__goes_nowhere_a_plugin_can_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
