"""Invariant 11, HTTP: what cannot be understood is refused, and nothing behind it is served as a
second request.

Every hostile head is followed by a whole POST /users whose address marks it. It must never register
anybody."""

import itertools

import pytest

BODY = b'{"name":"Ada"}'
POST = b"POST /greet HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
LENGTH = b"Content-Length: 14\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"e\r\n" + BODY + b"\r\n0\r\n\r\n"


def head(*lines, line=POST):
    return line + b"".join(lines) + b"\r\n"


# name: (expected statuses, bytes)
HOSTILE = {
    "two Content-Lengths that differ": ({400}, head(HOST, LENGTH, b"Content-Length: 0\r\n") + BODY),
    "two Content-Lengths that agree": ({400}, head(HOST, LENGTH, LENGTH) + BODY),
    "Content-Length as a list": ({400}, head(HOST, b"Content-Length: 14, 14\r\n") + BODY),
    "Content-Length with a plus": ({400}, head(HOST, b"Content-Length: +14\r\n") + BODY),
    "Content-Length with a minus": ({400}, head(HOST, b"Content-Length: -14\r\n") + BODY),
    "Content-Length in hexadecimal": ({400}, head(HOST, b"Content-Length: 0xe\r\n") + BODY),
    "Content-Length that is empty": ({400}, head(HOST, b"Content-Length:\r\n") + BODY),
    "Content-Length with a space inside": ({400}, head(HOST, b"Content-Length: 1 4\r\n") + BODY),
    "Content-Length beyond 64 bits": ({400, 413},
        head(HOST, b"Content-Length: 18446744073709551630\r\n") + BODY),
    "Content-Length above the limit": ({413}, head(HOST, b"Content-Length: 1048577\r\n") + BODY),
    "Content-Length with Transfer-Encoding": ({400}, head(HOST, LENGTH, CHUNKED) + CHUNKS),
    "Transfer-Encoding with Content-Length 0": ({400},
        head(HOST, CHUNKED, b"Content-Length: 0\r\n") + CHUNKS),
    "two Transfer-Encodings": ({400}, head(HOST, CHUNKED, CHUNKED) + CHUNKS),
    "another coding": ({400, 501}, head(HOST, b"Transfer-Encoding: gzip\r\n") + CHUNKS),
    "identity": ({400, 501}, head(HOST, b"Transfer-Encoding: identity\r\n", LENGTH) + BODY),
    "a coding before chunked": ({400, 501},
        head(HOST, b"Transfer-Encoding: gzip, chunked\r\n") + CHUNKS),
    "chunked twice in a list": ({400, 501},
        head(HOST, b"Transfer-Encoding: chunked, chunked\r\n") + CHUNKS),
    "chunked in quotes": ({400, 501}, head(HOST, b'Transfer-Encoding: "chunked"\r\n') + CHUNKS),
    "chunked behind a vertical tab": ({400, 501},
        head(HOST, b"Transfer-Encoding: \x0bchunked\r\n") + CHUNKS),
    "chunked in HTTP/1.0": ({400}, head(HOST, CHUNKED, line=b"POST /greet HTTP/1.0\r\n") + CHUNKS),
    "space before the colon": ({400}, head(HOST, b"Content-Length : 14\r\n") + BODY),
    "tab before the colon": ({400}, head(HOST, b"Transfer-Encoding\t: chunked\r\n") + CHUNKS),
    "folded header": ({400}, head(HOST, b"X-A: 1\r\n 2\r\n", LENGTH) + BODY),
    "folded first header": ({400}, head(b" Host: x\r\n", LENGTH) + BODY),
    "header without a colon": ({400}, head(HOST, b"Nonsense\r\n", LENGTH) + BODY),
    "header without a name": ({400}, head(HOST, b": 1\r\n", LENGTH) + BODY),
    "a name with a slash": ({400}, head(HOST, b"X/Y: 1\r\n", LENGTH) + BODY),
    "a name with a byte above 127": ({400}, head(HOST, b"X\xe9: 1\r\n", LENGTH) + BODY),
    "NUL in a value": ({400}, head(HOST, b"X-A: a\0b\r\n", LENGTH) + BODY),
    "bare CR in a value": ({400}, head(HOST, b"X-A: a\rContent-Length: 0\r\n", LENGTH) + BODY),
    "bare LF in the head": ({400}, POST + b"Host: x\n" + LENGTH + b"\r\n" + BODY),
    "bare LF at the head's end": ({400}, POST + HOST + LENGTH + b"\n" + BODY),
    "bare LF after the request line": ({400},
        b"POST /greet HTTP/1.1\n" + HOST + LENGTH + b"\r\n" + BODY),
    "no Host": ({400}, head(LENGTH) + BODY),
    "two Hosts": ({400}, head(HOST, HOST, LENGTH) + BODY),
    "a Host with a space": ({400}, head(b"Host: a b\r\n", LENGTH) + BODY),
    "a Host with a path": ({400}, head(b"Host: a/b\r\n", LENGTH) + BODY),
    "a Host with a user": ({400}, head(b"Host: a@b\r\n", LENGTH) + BODY),
    "a Host with a port too large": ({400}, head(b"Host: a:99999\r\n", LENGTH) + BODY),
    "two spaces in the request line": ({400},
        head(HOST, LENGTH, line=b"POST  /greet HTTP/1.1\r\n") + BODY),
    "a tab in the request line": ({400},
        head(HOST, LENGTH, line=b"POST\t/greet HTTP/1.1\r\n") + BODY),
    "a space at the line's end": ({400},
        head(HOST, LENGTH, line=b"POST /greet HTTP/1.1 \r\n") + BODY),
    "no version": ({400}, head(HOST, LENGTH, line=b"POST /greet\r\n") + BODY),
    "lower-case http": ({400}, head(HOST, LENGTH, line=b"POST /greet http/1.1\r\n") + BODY),
    "HTTP/2.0": ({505}, head(HOST, LENGTH, line=b"POST /greet HTTP/2.0\r\n") + BODY),
    "HTTP/1.2": ({400, 505}, head(HOST, LENGTH, line=b"POST /greet HTTP/1.2\r\n") + BODY),
    "HTTP/1.10": ({400}, head(HOST, LENGTH, line=b"POST /greet HTTP/1.10\r\n") + BODY),
    "the preface of HTTP/2": ({400, 501, 505}, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a TLS hello": ({400}, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "an unknown method": ({501}, head(HOST, LENGTH, line=b"BREW /greet HTTP/1.1\r\n") + BODY),
    "a method in lower case": ({400, 501},
        head(HOST, LENGTH, line=b"post /greet HTTP/1.1\r\n") + BODY),
    "CONNECT": ({400, 405, 501}, head(HOST, line=b"CONNECT example.org:443 HTTP/1.1\r\n")),
    "a target without a slash": ({400}, head(HOST, LENGTH, line=b"POST greet HTTP/1.1\r\n") + BODY),
    "a fragment in the target": ({400},
        head(HOST, LENGTH, line=b"POST /greet#x HTTP/1.1\r\n") + BODY),
    "a raw byte above 127 in the target": ({400},
        head(HOST, LENGTH, line=b"POST /gr\xe9et HTTP/1.1\r\n") + BODY),
    "a backslash in the target": ({400},
        head(HOST, LENGTH, line=b"POST /a\\..\\greet HTTP/1.1\r\n") + BODY),
    "NUL in the target": ({400}, head(HOST, LENGTH, line=b"POST /gr\0eet HTTP/1.1\r\n") + BODY),
    "a star without OPTIONS": ({400}, head(HOST, LENGTH, line=b"POST * HTTP/1.1\r\n") + BODY),
    "a target too long": ({414},
        head(HOST, LENGTH, line=b"POST /" + b"a" * 9000 + b" HTTP/1.1\r\n") + BODY),
    "too many headers": ({431},
        head(HOST, *[b"X-%d: 1\r\n" % i for i in range(80)], LENGTH) + BODY),
    "headers too large": ({431}, head(HOST, b"X: " + b"a" * 20000 + b"\r\n", LENGTH) + BODY),
    "an expectation nobody meets": ({417}, head(HOST, b"Expect: magic\r\n", LENGTH) + BODY),
    "two empty lines first": ({400}, b"\r\n\r\n" + head(HOST, LENGTH) + BODY),
    "a chunk size in 0x form": ({400}, head(HOST, CHUNKED) + b"0xe\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size with a plus": ({400}, head(HOST, CHUNKED) + b"+e\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size that is negative": ({400},
        head(HOST, CHUNKED) + b"-1\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size that is empty": ({400}, head(HOST, CHUNKED) + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": ({400, 413},
        head(HOST, CHUNKED) + b"1000000000000000e\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk size with a space": ({400}, head(HOST, CHUNKED) + b"e \r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk line ended by bare LF": ({400},
        head(HOST, CHUNKED) + b"e\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk longer than it said": ({400},
        head(HOST, CHUNKED) + b"d\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk ended by bare LF": ({400}, head(HOST, CHUNKED) + b"e\r\n" + BODY + b"\n0\r\n\r\n"),
    "an end ended by bare LF": ({400}, head(HOST, CHUNKED) + b"e\r\n" + BODY + b"\r\n0\n\r\n"),
    "chunks above the limit": ({413},
        head(HOST, CHUNKED) + b"200000\r\n" + b" " * 0x200000 + b"\r\n0\r\n\r\n"),
    "a trailer without a colon": ({400},
        head(HOST, CHUNKED) + b"e\r\n" + BODY + b"\r\n0\r\nnonsense\r\n\r\n"),
    "trailers too large": ({400, 431},
        head(HOST, CHUNKED) + b"e\r\n" + BODY + b"\r\n0\r\nX: " + b"a" * 20000 + b"\r\n\r\n"),
}

counter = itertools.count()


def smuggled(number):
    body = b'{"email":"smuggled%d@example.org","name":"M"}' % number
    return b"POST /users HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def check(host, statuses, data, pieces):
    """Sends `data` and the smuggled request behind it, in so many pieces."""
    from e2e_http import split_answers
    number = next(counter)
    data += smuggled(number)
    with host.connect() as c:
        try:
            for part in pieces(data):
                c.send(part)
        except OSError:
            pass  # it was refused and closed before all was sent
        answers = split_answers(c.read_to_end())
    assert len(answers) == 1, answers
    answer = answers[0]
    assert answer.status in statuses, answer
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"], "a refusal names its reason"
    assert host.request("GET", f"/users?email=smuggled{number}%40example.org").status == 404


def test_the_marker_works(shipped):
    with shipped.connect() as c:
        c.send(smuggled(999999))
        assert c.answer().status == 200
    assert shipped.request("GET", "/users?email=smuggled999999%40example.org").status == 200


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_in_one_piece(shipped, name):
    check(shipped, *HOSTILE[name], lambda data: [data])


@pytest.mark.parametrize("name", [n for n, (_, data) in HOSTILE.items() if len(data) < 1000])
def test_refused_in_many_pieces(shipped, name):
    check(shipped, *HOSTILE[name], lambda data: [data[i:i + 7] for i in range(0, len(data), 7)])


def test_a_request_before_it_is_still_answered(shipped):
    from e2e_http import request_bytes, split_answers
    good = request_bytes("POST", "/greet", {"name": "Ada"})
    for statuses, data in HOSTILE.values():
        if len(data) > 4000:
            continue
        with shipped.connect() as c:
            c.send(good + data)
            answers = split_answers(c.read_to_end())
        assert answers[0].status == 200
        assert len(answers) == 2 and answers[1].status in statuses, (data, answers)


def test_the_host_is_unharmed(shipped):
    assert shipped.ok("greeter.greet", {"name": "Ada"}) == {"greeting": "Hello, Ada!"}
    assert all(worker["respawns"] == 0 for worker in shipped.status()["workers"])
    assert sum(worker["bad_requests"] for worker in shipped.status()["workers"]) > 0
