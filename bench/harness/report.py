"""What bench/run prints: the machine, a table per kind of measurement, and ratios to Pinion.

A column is (heading, how rounds are put together, key, digits): the median where machines are
noisy, the sum where one failure in one round must show.
"""
import shutil
import statistics

from harness.table import number, render

which = shutil.which
LOAD = ("greet", "user", "order")
BASE = "pinion"

LOAD_COLUMNS = (
    ("requests/s", "median", "requests_per_s", 0),
    ("CPU us/req", "median", "cpu_us_per_request", 2),
    ("p50 ms", "median", "p50_ms", 2), ("p99 ms", "median", "p99_ms", 2),
    ("failed", "sum", "failed", 0), ("RSS MB", "median", "rss_mb", 1),
    ("PSS MB", "median", "pss_mb", 1), ("core %", "median", "server_core_percent", 0),
    ("others %", "median", "others_percent", 0),
)
EDIT_COLUMNS = (
    ("median ms", "median", "median_ms", 2), ("best ms", "median", "best_ms", 2),
    ("p90 ms", "median", "p90_ms", 2), ("new conn. ms", "median", "new_connection_ms", 2),
    ("edits", "sum", "edits", 0), ("lost polls", "sum", "lost", 0),
)
STORM_COLUMNS = (
    ("reloads", "sum", "reloads", 0), ("seconds", "sum", "seconds", 1),
    ("failed", "sum", "failed", 0),
    ("requests/s", "median", "requests_per_s", 0), ("p99 ms", "median", "p99_ms", 2),
    ("max ms", "median", "max_ms", 1), ("RSS MB @10", "median", "rss_mb_after_10", 1),
    ("RSS MB end", "median", "rss_mb_after", 1),
)


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else "unknown"


def print_machine(about, in_memory):
    print(f"{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}, "
          f"{about['filesystem']}; load average {about['load_before']:.2f}")
    print(f"{about['connections']} connections, {about['seconds']} s a run, "
          f"{about['rounds']} round(s)")
    print("  ".join(f"{name} {version}" for name, version in about["versions"].items()))
    for name, reason in about["absent"].items():
        print(f"skipped: {name}: {reason}")
    if in_memory:
        print("warning: databases are in memory; order does not show durable inserts (see --tmp)")
    print(flush=True)


def remark(rounds):
    """Why there are no figures, or None."""
    for kind, word in (("error", "failed"), ("skipped", "skipped")):
        reasons = [run[kind] for run in rounds if kind in run]
        if reasons:
            return f"{word}: {reasons[0]}"
    return None


def together(rounds, how, key):
    values = [run[key] for run in rounds]
    if None in values:
        return None
    return sum(values) if how == "sum" else statistics.median(values)


def figures(rounds, columns):
    """The cells of a row, or its remark."""
    if remark(rounds):
        return [remark(rounds)]
    return [number(together(rounds, how, key), digits) for _, how, key, digits in columns]


def headings(first, columns):
    return [*first, *(column[0] for column in columns)]


def load_table(runs):
    rows = [[work, peer, *figures(rounds, LOAD_COLUMNS)]
            for work in LOAD for peer, rounds in runs.get(work, {}).items()]
    return "Under load", headings(["workload", "peer"], LOAD_COLUMNS), rows


def live_table(title, peers, columns):
    rows = [[peer, rounds[0].get("way", "-"), *figures(rounds, columns)]
            for peer, rounds in peers.items()]
    return title, headings(["peer", "way"], columns), rows


def ratio_table(runs):
    """CPU per request and requests/s of Pinion over those of each peer, paired round by round."""
    rows = []
    for work in LOAD:
        peers = runs.get(work, {})
        if BASE not in peers or remark(peers[BASE]):
            continue
        rows += [[work, peer, *ratios(peers[BASE], rounds)] for peer, rounds in peers.items()
                 if peer != BASE and not remark(rounds)]
    return "Pinion over each peer", ["workload", "peer", "CPU us/req", "range", "requests/s"], rows


def ratios(ours, theirs):
    def each(key):
        return [our[key] / their[key] for our, their in zip(ours, theirs)]
    cpu = each("cpu_us_per_request")
    return [number(statistics.median(cpu), 2), f"{min(cpu):.2f} to {max(cpu):.2f}",
            number(statistics.median(each("requests_per_s")), 2)]


def print_tables(runs):
    tables = (
        load_table(runs),
        ratio_table(runs),
        live_table("Edit to live", runs.get("edit", {}), EDIT_COLUMNS),
        live_table("Reload storm under load", runs.get("reload", {}), STORM_COLUMNS),
    )
    for title, columns, rows in tables:
        rows = [row for row in rows if not row[-1].startswith("skipped: no ")]
        if rows:
            print("\n".join(render(title, columns, rows)))
