# SPDX-License-Identifier: Apache-2.0
"""The SBOM against the tools themselves: rpm's own list, Go's programs, and two independent readers of SPDX and package URLs."""

import io
import json
import shutil
import sqlite3
import subprocess
import zipfile
from pathlib import Path

import pytest
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from oci_context import Context, Layout

SPDX = "application/spdx+json"
AMAZON = 'NAME="Amazon Linux"\nVERSION="2023"\nID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n'
PACKAGES = [  # name, version, release, epoch, licence, architecture
    ("alpha", "1.0", "1.amzn2023", None, "MIT", "noarch"),
    ("beta", "2.3~rc1", "4.amzn2023", 2, "GPLv2+ and BSD", "x86_64"),
    ("gamma+x", "0.1^git", "1", 0, "Apache-2.0 OR MIT", "noarch"),
    *((f"many{i}", f"1.{i}", "1", None, "MIT", "noarch") for i in range(12)),
]
SPEC = """Name: {0}
Version: {1}
Release: {2}
{epoch}
Summary: of {0}
License: {4}
Vendor: Example Org
BuildArch: {5}
%description
{long}
%files
"""


@pytest.fixture
def context(runner, tmp_path):
    return Context(runner, tmp_path / "work")


def sbom_of(context, dockerfile="FROM scratch\nCOPY root /\n", **params):
    """(document, result of the run); the document is valid for others."""
    result = context.build(dockerfile, layout="layout", sbom=True, **params)
    layout = Layout(context.folder / "layout")
    manifest = next(layout.json(e) for e in layout.index["manifests"] if e.get("artifactType") == SPDX)
    text = layout.blob(manifest["layers"][0]["digest"])
    file = context.folder / "sbom.spdx.json"
    file.write_bytes(text)
    assert not [m.validation_message for m in validate_full_spdx_document(parse_file(str(file)), "SPDX-2.3")]
    document = json.loads(text)
    for purl in purls(document):
        assert PackageURL.from_string(purl).to_string() == purl, "canonical"
    return document, result


def purls(document):
    return sorted(p["externalRefs"][0]["referenceLocator"] for p in document["packages"] if p["SPDXID"] != "SPDXRef-Image")


@pytest.fixture(scope="session")
def rpms(tmp_path_factory):
    """Files of packages that rpmbuild made."""
    top = tmp_path_factory.mktemp("rpms")
    for p in PACKAGES:
        spec = top / f"{p[0]}.spec"
        spec.write_text(SPEC.format(*p, epoch="" if p[3] is None else f"Epoch: {p[3]}", long="A long description.\n" * 300))
        subprocess.run(["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}/top", "--define", f"_rpmdir {top}/out", "--define", f"_dbpath {top}/db", "--target", p[5], spec],
                       check=True, capture_output=True)
    return sorted(str(p) for p in (top / "out").rglob("*.rpm"))


def rpm(root, *args):
    """rpm as a Fedora would run it for that root, with its database in /var/lib/rpm."""
    command = ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def installed(root):
    """What rpm itself says, as package URLs."""
    listed = rpm(root, "-qa", "--qf", r"%{NAME}\t%{EPOCH}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\n")
    found = []
    for line in listed.splitlines():
        name, epoch, version, arch, source = line.split("\t")
        qualifiers = {"arch": arch, "distro": "amzn-2023", "upstream": source}
        if epoch != "(none)":
            qualifiers["epoch"] = epoch
        found.append(PackageURL("rpm", "amzn", name, version, qualifiers).to_string())
    return sorted(found)


def make_root(context, rpms):
    root = context.folder / "context/root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text(AMAZON)
    rpm(root, "--initdb")
    rpm(root, "-i", "--nodeps", "--ignorearch", *rpms)
    return root


def to_berkeley(root):
    """The same headers in a hash of Berkeley DB, as rpm 4.11 and 4.14 had them."""
    folder = root / "var/lib/rpm"
    with sqlite3.connect(folder / "rpmdb.sqlite") as db:
        rows = db.execute("SELECT hnum, blob FROM Packages").fetchall()
    lines = ["VERSION=3", "format=bytevalue", "type=hash", "db_pagesize=4096", "HEADER=END"]
    for number, blob in [(0, (len(rows) + 1).to_bytes(4, "little")), *rows]:
        lines += [" " + number.to_bytes(4, "little").hex(), " " + bytes(blob).hex()]
    for file in folder.iterdir():
        file.unlink()
    subprocess.run(["db5.3_load", folder / "Packages"], input="\n".join([*lines, "DATA=END", ""]), text=True, check=True)


@pytest.mark.parametrize("convert", [None, to_berkeley], ids=["sqlite", "berkeley"])
def test_an_rpm_database_is_listed_as_rpm_lists_it(context, rpms, convert):
    root = make_root(context, rpms)
    want = installed(root)
    assert len(want) == len(PACKAGES)
    if convert:
        convert(root)
    document, result = sbom_of(context)
    assert purls(document) == want
    assert "cannot be read" not in result.text and "comment" not in document
    by_name = {p["name"]: p for p in document["packages"]}
    quoted = {q["licenseId"]: q["extractedText"] for q in document["hasExtractedLicensingInfos"]}
    assert by_name["alpha"]["licenseDeclared"] == "MIT" and by_name["gamma+x"]["licenseDeclared"] == "Apache-2.0 OR MIT"
    assert quoted == {by_name["beta"]["licenseDeclared"]: "GPLv2+ and BSD"}
    assert by_name["beta"]["versionInfo"] == "2:2.3~rc1-4.amzn2023" and by_name["beta"]["supplier"] == "Organization: Example Org"


def test_the_database_of_newer_fedoras_is_found_and_removed_packages_are_not(context, rpms):
    root = make_root(context, rpms)
    rpm(root, "-e", "alpha", "many3")
    (root / "usr/lib/sysimage").mkdir(parents=True)
    (root / "var/lib/rpm").rename(root / "usr/lib/sysimage/rpm")
    (root / "var/lib/rpm").symlink_to("../../usr/lib/sysimage/rpm")
    want = installed(root)
    document, _ = sbom_of(context)
    assert purls(document) == want and len(want) == len(PACKAGES) - 2


def test_packages_of_a_layer_above_the_base_are_there(context, rpms):
    """The base's database is in one layer, the RUN's in the next: the last one counts."""
    root = make_root(context, rpms[:5])
    shutil.copytree(root, context.folder / "context/next", symlinks=True)
    rpm(context.folder / "context/next", "-i", "--nodeps", "--ignorearch", *rpms[5:])
    document, _ = sbom_of(context, "FROM scratch\nCOPY root /\nCOPY next /\n")
    assert purls(document) == installed(context.folder / "context/next")


@pytest.mark.parametrize("content", [b"binary", b"SQLite format 3\0" + bytes(200), b"RpmP" + b"\xff" * 100])
def test_a_database_that_cannot_be_read_is_not_passed_over_in_silence(context, content):
    context.write("root/var/lib/rpm/rpmdb.sqlite", "")
    (context.folder / "context/root/var/lib/rpm/rpmdb.sqlite").write_bytes(content)
    document, result = sbom_of(context)
    assert "/var/lib/rpm/rpmdb.sqlite cannot be read" in result.text
    assert "/var/lib/rpm/rpmdb.sqlite could not be read" in document["comment"]


def test_go_programs_tell_their_go(context):
    """skopeo is one; Debian builds it without modules."""
    context.write("root/etc/os-release", AMAZON)
    shutil.copy2(shutil.which("skopeo"), context.folder / "context/root/skopeo")
    shutil.copy2("/bin/bash", context.folder / "context/root/bash")
    document, _ = sbom_of(context)
    said = subprocess.run(["skopeo", "--version"], capture_output=True, check=True).returncode
    assert said == 0
    found = [PackageURL.from_string(p) for p in purls(document)]
    assert [(p.type, p.name) for p in found] == [("golang", "stdlib")] and found[0].version.startswith("1.")


def jar(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in files.items():
            z.writestr(name, content)
    return data.getvalue()


def test_every_kind_in_one_image(context):
    pom = "META-INF/maven/{0}/{1}/pom.properties"
    inner = jar({pom.format("org.slf4j", "slf4j-api"): "groupId=org.slf4j\nartifactId=slf4j-api\nversion=2.0.9\n"})
    fat = jar({pom.format("com.example", "app"): "groupId=com.example\nartifactId=app\nversion=1.0\n", "BOOT-INF/lib/slf4j-api-2.0.9.jar": inner})
    files = {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "var/lib/dpkg/status": "Package: libgcc-s1\nStatus: install ok installed\nSource: gcc-12\nVersion: 12.2.0-14+deb12u1\nArchitecture: amd64\n\n",
        "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2024a-0\nArchitecture: all\n",
        "lib/apk/db/installed": "P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n\n",
        "usr/lib/python3/dist-packages/PyYAML-6.0.dist-info/METADATA": "Name: PyYAML\nVersion: 6.0\nLicense: MIT License\n\n",
        "usr/lib/python3/dist-packages/six.egg-info": "Name: six\nVersion: 1.16.0\n",
        "app/node_modules/@a/b/package.json": '{"name":"@a/b","version":"1.0.0","license":"ISC"}',
        "app/node_modules/c/node_modules/d/package.json": '{"name":"d","version":"2.0.0"}',
        "usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec": '  s.name = "rake".freeze\n  s.version = "13.0.6"\n  s.licenses = ["MIT".freeze]\n',
        "usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec": '  s.name = "json".freeze\n  s.version = "2.6.1"\n',
    }
    for name, text in files.items():
        context.write(f"root/{name}", text)
    (context.folder / "context/root/app/app.jar").write_bytes(fat)
    (context.folder / "context/root/app/broken.jar").write_bytes(fat[:200])
    document, result = sbom_of(context, tags=["example.com/app:v1"])
    assert purls(document) == sorted([
        "pkg:deb/debian/libgcc-s1@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=gcc-12", "pkg:deb/debian/tzdata@2024a-0?arch=all&distro=debian-12",
        "pkg:apk/debian/musl@1.2.5-r0?arch=x86_64&distro=debian-12", "pkg:pypi/pyyaml@6.0", "pkg:pypi/six@1.16.0", "pkg:npm/%40a/b@1.0.0",
        "pkg:npm/d@2.0.0", "pkg:gem/rake@13.0.6", "pkg:gem/json@2.6.1", "pkg:maven/org.slf4j/slf4j-api@2.0.9", "pkg:maven/com.example/app@1.0"])
    assert "sbom: 11 packages" in result.text


def test_texts_that_are_no_utf8_do_not_spoil_the_document(context):
    file = context.folder / "context/root/var/lib/dpkg/status"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"Package: a\nStatus: install ok installed\nVersion: 1\nMaintainer: J\xf6rg\n\nPackage: b\xff\nStatus: install ok installed\nVersion: 1\n\n"
                     b"Package: c\nStatus: install ok installed\nVersion: \xff\nArchitecture: \xfe\n")
    document, _ = sbom_of(context)
    assert purls(document) == ["pkg:deb/debian/a@1"]
    assert Path(context.folder / "sbom.spdx.json").read_bytes().decode("utf-8")
