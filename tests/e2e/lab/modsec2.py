"""Apache with Debian's mod_security2 as the oracle: which rules does it log for which request?"""
import pathlib
import re

from . import servers

RECOMMENDED = "/etc/modsecurity/modsecurity.conf-recommended"
DEBIAN_SETUP = "/etc/modsecurity/crs/crs-setup.conf"
DEBIAN_RULES = "/usr/share/modsecurity-crs/rules"


def paranoia_text(level):
    """For CRS 3.3 and 4 alike; stands after the set-up file."""
    names = ["paranoia_level", "executing_paranoia_level", "blocking_paranoia_level", "detection_paranoia_level"]
    setvars = ",".join(f"setvar:'tx.{name}={level}'" for name in names)
    return f'SecAction "id:9900001,phase:1,pass,nolog,t:none,{setvars}"\n'


def rule_files(work, paranoia, crs_dir=None, extra=""):
    """The files of one rule set, in order, for both engines: [path]. Nothing of the stock files is changed."""
    base = work / "rules"
    base.mkdir(parents=True, exist_ok=True)
    (base / "paranoia.conf").write_text(paranoia_text(paranoia) + extra)
    if crs_dir is None:
        setup, rules = pathlib.Path(DEBIAN_SETUP), pathlib.Path(DEBIAN_RULES)
    else:
        setup, rules = pathlib.Path(crs_dir) / "crs-setup.conf.example", pathlib.Path(crs_dir) / "rules"
    return [RECOMMENDED, str(setup), str(base / "paranoia.conf")] + [str(p) for p in sorted(rules.glob("*.conf"))]


def start(lab, work: pathlib.Path, site, paranoia=4, crs_dir=None, extra="", response_types=True, files=None):
    """files: in place of a CRS; the first is the engine's own configuration."""
    files = files or rule_files(work, paranoia, crs_dir, extra)
    data = work / "modsec-data"
    data.mkdir(exist_ok=True)
    data.chmod(0o777)
    base = work / "waf"
    audit = base / "audit.log"
    # The recommended file turns the audit log on for relevant transactions; here it lists every transaction.
    security = "\n".join([f"Include {name}" for name in files[:1]] + [
        "SecRuleEngine DetectionOnly", f"SecDataDir {data}", f"SecTmpDir {data}", "SecAuditEngine On", "SecAuditLogParts ABHZ",
        "SecAuditLogType Serial", f"SecAuditLog {audit}", "SecDebugLogLevel 0"] +
        (["SecResponseBodyMimeType text/plain text/html text/xml application/json"] if response_types else []) +
        [f"Include {name}" for name in files[1:]])
    return servers.start_apache(lab, work, site, port=servers.PORTS["waf"], name="waf", security=security)


def read_logs(work):
    """[{client_port, order, request_line, ids}] for every transaction, in the order of the audit log."""
    base = work / "waf"
    ids = {}
    for line in (base / "error.log").read_text(errors="replace").splitlines():
        unique = re.search(r'\[unique_id "([^"]+)"\]', line)
        rule = re.search(r'\[id "(\d+)"\]', line)
        # "Execution error - PCRE limits exceeded" names a rule too, but that rule did not match.
        if unique and rule and "ModSecurity" in line and "Execution error" not in line:
            ids.setdefault(unique.group(1), []).append(int(rule.group(1)))
    transactions, order = [], {}
    audit = (base / "audit.log").read_text(errors="replace")
    for entry in re.split(r"(?m)^--[0-9a-f]{8}-A--\n", audit)[1:]:
        head = re.match(r"\[[^\]]+\] (\S+) (\S+) (\d+) ", entry)
        first = re.search(r"(?m)^--[0-9a-f]{8}-B--\n(.*)$", entry)
        if not head:
            continue
        port = int(head.group(3))
        transactions.append({"client_port": port, "order": order.get(port, 0),
                             "request_line": first.group(1) if first else "", "ids": ids.get(head.group(1), [])})
        order[port] = order.get(port, 0) + 1
    return transactions
