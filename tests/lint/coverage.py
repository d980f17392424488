"""coverage.py ROOT: docs/manual-coverage.md names tests that exist, and a test or a reason in each row.

A test is `file: Suite.Name` or `file.sh`, with the file's name alone; prints each trespass.
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
tests = {}  # a name may be in several rooms
for found in (root / "tests").rglob("*"):
    if found.is_file():
        tests.setdefault(found.name, []).append(found)
listed = "\n".join(path.read_text() for path in (root / "tests").rglob("CMakeLists.txt"))
problems = []
seen = 0
done = True
page = root / "docs" / "manual-coverage.md"
for number, line in enumerate(page.read_text().splitlines(), 1):
    if line.startswith("## "):
        done = line != "## Not done"
    if not line.startswith("| ") or line.startswith(("| manual |", "| promise |")):
        continue
    references = re.findall(r"`([a-z0-9_]+\.(?:cc|sh))(?:: (\w+)\.(\w+))?`", line)
    if done and not references:
        problems.append(f"{page.name}:{number}: no test")
    for file, suite, name in references:
        seen += 1
        paths = tests.get(file, [])
        pattern = re.compile(rf"TEST(_F|_P)?\({suite},\s*{name}\)")
        if not paths:
            problems.append(f"{page.name}:{number}: no file {file}")
        elif file.endswith(".sh"):
            if file not in listed:
                problems.append(f"{page.name}:{number}: ctest does not run {file}")
        elif not any(pattern.search(path.read_text()) for path in paths):
            problems.append(f"{page.name}:{number}: no test {suite}.{name} in {file}")
        elif not re.search(rf"\b{file.split('.')[0]}\b", listed):
            problems.append(f"{page.name}:{number}: {file} is not built")
print("\n".join(problems) if problems else f"{seen} references, each to a test that exists")
sys.exit(1 if problems or seen == 0 else 0)
