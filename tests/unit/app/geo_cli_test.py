#!/usr/bin/env python3
"""SecGeoLookupDb, @geoLookup and GEO with real databases, through the whole program.

  geo_cli_test.py WEIR SOURCE_DIR
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

WEIR, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
sys.path.insert(0, str(SOURCE / "tests/support"))
from mmdb import mmdb  # noqa: E402
from traffic import Capture, request, response  # noqa: E402

BERLIN = {"continent": {"code": "EU"}, "country": {"iso_code": "DE", "names": {"de": "Deutschland", "en": "Germany"}},
          "subdivisions": [{"iso_code": "BE"}, {"iso_code": "XX"}], "city": {"names": {"en": "Berlin"}}, "postal": {"code": "10115"},
          "location": {"latitude": 52.5, "longitude": 13.25, "metro_code": 7}}
NETWORKS = {"192.0.2.0/25": BERLIN, "192.0.2.128/25": {"country": {"iso_code": "SE"}},
            "203.0.113.9/32": {"continent": {"code": "OC"}, "country": {"iso_code": 7}},
            "2001:db8::/32": {"country": {"iso_code": "NZ", "names": {"en": "New Zealand"}}}}
FIELDS = ["COUNTRY_CODE", "COUNTRY_NAME", "COUNTRY_CONTINENT", "REGION", "CITY", "POSTAL_CODE", "LATITUDE", "LONGITUDE"]
RULES = """\
SecRuleEngine DetectionOnly
SecGeoLookupDb {database}
SecRule REMOTE_ADDR "@geoLookup" "id:1,phase:1,pass,log,msg:'%{{geo.country_code}}|%{{geo.city}}|%{{geo.latitude}}'"
SecRule GEO:COUNTRY_CODE "@streq DE" "id:2,phase:1,deny,log,msg:'from there'"
SecRule REQUEST_HEADERS:X-Forwarded-For "@geoLookup" "id:3,phase:1,pass,log,msg:'{all}'"
SecRule REMOTE_ADDR "!@geoLookup" "id:4,phase:1,pass,log"
SecRule &GEO "@eq 0" "id:5,phase:1,pass,log"
"""


class Geo(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="weir-geo-test-"))
        self.addCleanup(shutil.rmtree, self.place)
        self.database = self.place / "places.mmdb"

    def run_weir(self, *arguments):
        done = subprocess.run([str(WEIR), *map(str, arguments)], capture_output=True, timeout=120)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def rules(self):
        path = self.place / "rules.conf"
        # Beside the file that names it.
        path.write_text(RULES.format(database=self.database.name, all="|".join(f"%{{geo.{f}}}" for f in FIELDS)))
        return path

    def look_up(self, clients, forwarded=None):
        capture = Capture()
        for client in clients:
            more = {"X_Forwarded_For": forwarded} if forwarded else {}
            capture.connection(client, [(request("/", **more), response())])
        path = self.place / "traffic.pcap"
        path.write_bytes(capture.bytes())
        code, out, err = self.run_weir("inspect", "--no-cache", "--format", "jsonl", "--rules", self.rules(), path)
        self.assertEqual((code, err), (0, ""))
        return [{rule["id"]: rule["msg"] for rule in json.loads(line)["waf"]["rules"]} for line in out.splitlines()]

    def test_clients(self):
        for version, size in ((6, 24), (6, 28), (6, 32), (4, 24)):
            networks = {n: v for n, v in NETWORKS.items() if version == 6 or ":" not in n}
            self.database.write_bytes(mmdb(networks, version, size))
            got = self.look_up(["192.0.2.127", "192.0.2.128", "203.0.113.9", "203.0.113.8", "198.51.100.1"])
            self.assertEqual(got, [{1: "DE|Berlin|52.500000", 2: "from there"}, {1: "SE||"}, {1: "||"}, {4: "", 5: ""}, {4: "", 5: ""}],
                             (version, size))

    def test_all_fields_and_other_values_than_the_client(self):
        self.database.write_bytes(mmdb(NETWORKS))
        for value, wanted in (("192.0.2.1", "DE|Germany|EU|BE|Berlin|10115|52.500000|13.250000"),
                              ("2001:db8::1", "NZ|New Zealand||||||"), ("2001:DB8:FFFF::", "NZ|New Zealand||||||")):
            self.assertEqual(self.look_up(["198.51.100.1"], value)[0].get(3), wanted, value)
        for value in ("2001:db9::1", "nowhere", "192.0.2.1.", "192.0.2.1, 198.51.100.1", "1", "192.0.2.300"):
            self.assertNotIn(3, self.look_up(["198.51.100.1"], value)[0], value)

    def test_a_lookup_replaces_the_one_before(self):
        self.database.write_bytes(mmdb(NETWORKS))
        self.assertEqual(self.look_up(["192.0.2.1"], "192.0.2.200")[0][3], "SE|||||||")

    def test_databases_that_cannot_be_used(self):
        whole = mmdb(NETWORKS)
        for content in (None, b"", b"GEO-106FREE 20120717 Build 1", whole[:len(whole) // 3]):
            if content is None:
                self.database.unlink(missing_ok=True)
            else:
                self.database.write_bytes(content)
            code, out, err = self.run_weir("check", "--no-cache", "--rules", self.rules())
            self.assertEqual(code, 2, err)
            self.assertIn("rules.conf:2:", err)
            self.assertIn("places.mmdb", err)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
