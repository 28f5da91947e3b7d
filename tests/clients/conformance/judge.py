#!/usr/bin/env python3
"""Compares what the conformance suite wrote with expected.txt: judge.py RESULTS_DIR

Prints a line for each scenario. Fails when one that is not in the list fails, and when one that is in it passes.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
REQUIREMENTS = HERE / "../node_modules/@modelcontextprotocol/conformance/requirements"
REVISIONS = ["2026-07-28", "2025-11-25"]
# Scenarios the suite runs without scoring them, that count here.
UNSCORED = {"2026-07-28": ["http-header-validation", "http-custom-header-server-validation"]}
DETAIL_CHARS_MAX = 600


def required(revision):
    """The scenarios under `server:` in the suite's own list."""
    text = (REQUIREMENTS / f"{revision}.yaml").read_text()
    section = text.split("\nserver:\n")[1].split("\n\n")[0]
    return [line.removeprefix("  - ") for line in section.splitlines()]


def not_yet():
    """expected.txt: `REVISION SCENARIO why`, one a line."""
    rows = (HERE / "expected.txt").read_text().splitlines()
    rows = [row.split(None, 2) for row in rows if row.strip() and not row.startswith("#")]
    return {(revision, scenario): why for revision, scenario, why in rows}


def checks_of(results, revision, scenario):
    """The suite writes server-SCENARIO-TIMESTAMP/checks.json; none when the scenario itself threw."""
    for directory in (results / revision).glob(f"server-{scenario}-2*"):
        if (directory / "checks.json").exists():
            return json.loads((directory / "checks.json").read_text())
    return [{"status": "FAILURE", "id": "no-result", "errorMessage": f"see {revision}.log in {results}"}]


def explain(check, word):
    print(f"     {word} {check['id']}: {check.get('errorMessage') or check.get('description')}")
    if word == "failed" and check.get("details"):
        print(f"       {json.dumps(check['details'])[:DETAIL_CHARS_MAX]}")


def main(results):
    expected = not_yet()
    scenarios = [(r, s) for r in REVISIONS for s in required(r) + UNSCORED.get(r, [])]
    passed = failed = waiting = 0
    for revision, scenario in scenarios:
        checks = checks_of(results, revision, scenario)
        failures = [check for check in checks if check["status"] == "FAILURE"]
        why = expected.pop((revision, scenario), None)
        name = f"{revision} {scenario}"
        if failures and why:
            waiting += 1
            print(f"not yet {name} ({why})")
        elif why:
            failed += 1
            print(f"FAIL {name} passes now: take it out of expected.txt")
        elif failures:
            failed += 1
            print(f"FAIL {name}")
            for check in failures:
                explain(check, "failed")
        else:
            passed += 1
            print(f"ok {name}")
            for check in checks:
                if check["status"] == "WARNING":
                    explain(check, "warning")
    for revision, scenario in expected:
        failed += 1
        print(f"FAIL {revision} {scenario} is in expected.txt but not in the suite")
    print(f"conformance: {passed} passed, {failed} failed, {waiting} not yet")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
