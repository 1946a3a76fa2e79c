#!/usr/bin/env python3
"""The weir.yaml that packaging/terraform/aws-gwlb renders is one that `weir check` accepts.

    rendered_config_test.py WEIR MODULE_DIRECTORY

Renders the few template constructs that the file uses; anything else in it is a failure.
"""
import pathlib
import re
import subprocess
import sys
import tempfile


def render(text, values):
    def look_up(expression):
        if re.fullmatch(r"[a-z_.]+", expression):
            value = values
            for part in expression.split("."):
                value = value[part]
            return value
        joined = re.fullmatch(r'join\("(.)", ([a-z_]+)\)', expression)
        if joined:
            return joined.group(1).join(map(str, values[joined.group(2)]))
        added = re.fullmatch(r"([a-z_]+) \+ (\d+)", expression)
        if added:
            return values[added.group(1)] + int(added.group(2))
        raise SystemExit(f"cannot render {expression}")

    out, skipping, loop = [], False, None
    for line in text.splitlines():
        directive = re.fullmatch(r"\s*%\{ (.+?) ~?\}", line)
        if directive:
            words = directive.group(1)
            if words == "endif":
                skipping = False
            elif words == "endfor":
                name, items, body = loop
                for item in items:
                    values[name] = item
                    out += [re.sub(r"\$\{(.+?)\}", lambda m: str(look_up(m.group(1))), b) for b in body]
                loop = None
            elif words.startswith("for "):
                _, name, _, items = words.split()
                loop = (name, values[items], [])
            else:
                left, right = re.fullmatch(r'if ([a-z.]+) == "(\w+)"', words).groups()
                skipping = look_up(left) != right
        elif loop:
            loop[2].append(line)
        elif not skipping:
            out.append(re.sub(r"\$\{(.+?)\}", lambda m: str(look_up(m.group(1))), line))
    return "\n".join(out) + "\n"


def main():
    weir, module = sys.argv[1], pathlib.Path(sys.argv[2])
    template = (module / "weir.yaml.tftpl").read_text()
    failed = 0
    with tempfile.TemporaryDirectory() as work:
        for protocol in ("HTTP", "HTTPS", "TCP"):
            text = render(template, {"mode": "block", "ports": [80, 8080], "workers": 4, "source_cidrs": ["10.0.0.0/24", "10.0.1.0/24"],
                                     "health": {"protocol": protocol, "port": 9080}, "drain": 120, "idle_timeout": 350})
            text = text.replace("/var/log/weir", work)  # there is none here
            config = pathlib.Path(work) / "weir.yaml"
            config.write_text(text)
            r = subprocess.run([weir, "check", "-q", "-c", str(config)], capture_output=True, text=True)
            print(protocol, r.returncode)
            if r.returncode != 0 or "${" in text or "%{" in text:
                print(text, r.stderr)
                failed = 1
    sys.exit(failed)


if __name__ == "__main__":
    main()
