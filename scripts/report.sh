# Sourced by scripts/test: what the log of a stage says, by the kind of stage.
#
# Provides for each kind (ctest, pytest, check, build): count_KIND LOG STATUS, which prints
# "PASSED FAILED", and show_KIND LOG, which prints what explains a failure. Uses awk.
# Rule: reads only the log it is given.

# From the output of ctest -V: the cases that cmocka reports for a program that uses it, one for any
# other. A program that failed without naming a failed case (a crash, a leak, a time-out) counts one.
count_ctest() {
    awk '
        /^[0-9]+: \[  PASSED  \] [0-9]+ test/ { split($1, n, ":"); good[n[1]] += $5 }
        /^[0-9]+: \[  FAILED  \] [0-9]+ test/ { split($1, n, ":"); bad[n[1]] += $5 }
        /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
            id = $0; sub(/^[^#]*#/, "", id); sub(/:.*/, "", id)
            if ($0 ~ /\*\*\*Skipped/) next
            if ($0 ~ / Passed +[0-9.]+ sec/) {
                passed += good[id] ? good[id] : 1
            } else {
                passed += good[id]
                failed += bad[id] ? bad[id] : 1
            }
        }
        END { print passed + 0, failed + 0 }' "$1"
}

# Of the output of ctest -V, what belongs to tests that failed.
show_ctest() {
    awk '
        NR == FNR {
            if ($0 ~ /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / && $0 !~ / Passed +[0-9.]+ sec/ &&
                $0 !~ /\*\*\*Skipped/) {
                id = $0; sub(/^[^#]*#/, "", id); sub(/:.*/, "", id); bad[id] = 1
            }
            next
        }
        /^[0-9]+: / { id = $1; sub(/:.*/, "", id); if (id in bad) print; next }
        / Test +#[0-9]+: .*\*\*\*/ && $0 !~ /\*\*\*Skipped/ { print }
    ' "$1" "$1" | tail -n 300
}

# From the last summary line of pytest, such as "1 failed, 12 passed, 1 error in 3.21s".
count_pytest() {
    awk '
        / in [0-9.]+s/ && /(passed|failed|error|skipped|deselected)/ { line = $0 }
        END {
            count = split(line, part, ",")
            for (i = 1; i <= count; i++) {
                gsub(/=/, "", part[i]); split(part[i], word, " ")
                if (word[2] ~ /^passed/) passed += word[1]
                if (word[2] ~ /^(failed|error)/) failed += word[1]
            }
            print passed + 0, failed + 0
        }' "$1"
}

# A stage without cases of its own: a check counts as one, a build only if it fails.
count_check() {
    [ "$2" -eq 0 ] && echo 1 0 || echo 0 1
}

count_build() {
    [ "$2" -eq 0 ] && echo 0 0 || echo 0 1
}

show_check() {
    tail -n 100 "$1"
}

show_build() {
    tail -n 100 "$1"
}

show_pytest() {
    tail -n 300 "$1"
}
