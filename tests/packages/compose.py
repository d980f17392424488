"""Reads docker-compose.yml as docker compose would, for compose_test.sh.

compose.py FILE check               the rules of the house and of the format; prints each trespass
compose.py FILE dockerfile SERVICE  the steps, one per line: INSTRUCTION, a tab, the rest
compose.py FILE command SERVICE     the command as a line for a shell
compose.py FILE health SERVICE      the health check as a line for a shell
compose.py FILE config NAME         the content of a config
Variables come from the environment.
"""
import os
import re
import shlex
import sys

import yaml

# What each place of the format may hold (those that we use, and their neighbours).
SERVICE_KEYS = {
    "image", "build", "command", "entrypoint", "environment", "volumes", "healthcheck",
    "depends_on", "restart", "configs", "ports", "user", "pull_policy",
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def interpolate(text):
    """$$ is a dollar; ${NAME}, ${NAME:?text} and $NAME are variables."""

    def value(match):
        if match.group(0) == "$$":
            return "$"
        name = match.group("braced") or match.group("plain")
        if name not in os.environ and match.group("must") is not None:
            sys.exit(f"{name}: {match.group('must')}")
        return os.environ.get(name, "")

    pattern = r"\$\$|\$\{(?P<braced>\w+)(?::\?(?P<must>[^}]*))?\}|\$(?P<plain>[A-Za-z_]\w*)"
    return re.sub(pattern, value, text)


def walk(node):
    if isinstance(node, dict):
        return {key: walk(value) for key, value in node.items()}
    if isinstance(node, list):
        return [walk(value) for value in node]
    return interpolate(node) if isinstance(node, str) else node


def steps(dockerfile):
    lines = [line for line in dockerfile.splitlines() if line.strip() and line.strip()[0] != "#"]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    for line in joined.splitlines():
        instruction, rest = line.split(None, 1)
        yield instruction, rest


def check(raw, compose):
    problems = []
    services = compose["services"]
    for name, service in services.items():
        for key in service.keys() - SERVICE_KEYS:
            problems.append(f"{name}: unknown key {key}")
        # A registry's host is a first part with a dot or a colon before a slash.
        image = service.get("image", "")
        if re.match(r"[^/]*[.:][^/]*/", image) or not image:
            problems.append(f"{name}: image {image!r} is not a plain name")
        if "healthcheck" not in service and service.get("restart") != "no":
            problems.append(f"{name}: no health check")
        for other, how in service.get("depends_on", {}).items():
            if other not in services:
                problems.append(f"{name}: depends on {other}, which does not exist")
            elif how["condition"] not in CONDITIONS:
                problems.append(f"{name}: unknown condition {how['condition']}")
            elif how["condition"] == "service_healthy" and "healthcheck" not in services[other]:
                problems.append(f"{name}: {other} has no health check to wait for")
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source[0] not in "./" and source not in compose["volumes"]:
                problems.append(f"{name}: no volume {source}")
        for config in service.get("configs", []):
            if config["source"] not in compose["configs"]:
                problems.append(f"{name}: no config {config['source']}")
        if "build" in service:
            for instruction, rest in steps(service["build"]["dockerfile_inline"]):
                if instruction == "FROM" and "/" in rest:
                    problems.append(f"{name}: FROM {rest} names a registry")
            text = raw["services"][name]["build"]["dockerfile_inline"]
            for secret in ("PASSWORD", "TOKEN"):
                if secret in text.upper():
                    problems.append(f"{name}: the image knows a {secret.lower()}")
            # What compose would replace by nothing before the builder sees it.
            for match in re.finditer(r"(?<!\$)\$(?!\$)\{?\w+", text):
                problems.append(f"{name}: {match.group(0)} is compose's variable: write $$")
    workers = [name for name in services if name.startswith("worker")]
    if len(workers) != 2:
        problems.append(f"two workers, not {len(workers)}")
    for wanted in ("mysql", "postgres", "coordinator"):
        if wanted not in services:
            problems.append(f"no service {wanted}")
    return problems


def shell(test):
    if test[0] == "CMD-SHELL":
        return test[1]
    return shlex.join(test[1:])


def main():
    raw = yaml.safe_load(open(sys.argv[1], encoding="utf-8"))
    compose = walk(raw)
    what = sys.argv[2]
    name = sys.argv[3] if len(sys.argv) > 3 else ""
    if what == "check":
        problems = check(raw, compose)
        print("\n".join(problems) if problems else "docker-compose.yml is as it should be")
        return 1 if problems else 0
    if what == "dockerfile":
        for instruction, rest in steps(compose["services"][name]["build"]["dockerfile_inline"]):
            print(f"{instruction}\t{rest}")
    elif what == "command":
        print(shlex.join(compose["services"][name]["command"]))
    elif what == "health":
        print(shell(compose["services"][name]["healthcheck"]["test"]))
    elif what == "config":
        print(compose["configs"][name]["content"], end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
