#!/usr/bin/env bash
# Audit if asked to, gate, and leave the verdict in every format a pipeline reads.
# Environment:
#   AUDITOR_POLICY    policy file (needed)
#   AUDITOR_AUDIT     audit directory; or
#   AUDITOR_CONFIG    settings for 'auditor run', which makes the audit
#   AUDITOR_BASELINE  audit directory of the release before
#   AUDITOR_OUT       folder for what is made (auditor-gate)
# Exit status: that of the gate: 0 pass, 3 fail, 4 inconclusive; 1 error of the tool, 2 of its use.
set -uo pipefail

out=${AUDITOR_OUT:-auditor-gate}
audit=${AUDITOR_AUDIT:-}
mkdir -p "$out" || exit 1

give_up() { printf 'error: %s\n' "$2" >&2; exit "$1"; }

[ -n "${AUDITOR_POLICY:-}" ] || give_up 2 "AUDITOR_POLICY is not set, needed a policy file"
# Check the policy first: an audit takes minutes.
auditor policy check "$AUDITOR_POLICY" || exit "$?"

if [ -z "$audit" ]; then
    [ -n "${AUDITOR_CONFIG:-}" ] || give_up 2 "neither AUDITOR_AUDIT nor AUDITOR_CONFIG is set"
    audit=$out/audit
    auditor run --config "$AUDITOR_CONFIG" --out "$audit" || exit "$?"
fi

arguments=("$audit" --policy "$AUDITOR_POLICY")
[ -z "${AUDITOR_BASELINE:-}" ] || arguments+=(--baseline "$AUDITOR_BASELINE")
auditor gate "${arguments[@]}" --format text --format "junit:$out/gate.junit.xml" \
    --format "sarif:$out/gate.sarif" --format "json:$out/gate.json" --format "markdown:$out/gate.md"
status=$?

case $status in
    0) outcome=pass ;;
    3) outcome=fail ;;
    4) outcome=inconclusive ;;
    *) outcome=error ;;
esac
if [ -n "${GITHUB_OUTPUT:-}" ]; then
    printf '%s\n' "outcome=$outcome" "status=$status" "sarif=$out/gate.sarif" "junit=$out/gate.junit.xml" \
        >> "$GITHUB_OUTPUT"
fi
exit "$status"
