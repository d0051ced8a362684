"""A directory of this machine: OpenLDAP's slapd with an organisation in it, started for tests and stopped again."""

import base64
import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.launch import free_port
from benchmarks.programs import Missing, Program, folder, program, running
from tests.certificates import Authority

SUFFIX = "dc=example,dc=com"
READER = f"cn=reader,{SUFFIX}"
PASSWORD = "reads-everything"
MANY = 1_200
"""People in one place, which is more than a server gives at once."""
PORTRAIT = b"\xff\xd8\xff\xe0 a small picture"

_SCHEMAS = Path("/etc/ldap/schema")
_MODULES = Path("/usr/lib/ldap")


@dataclass(frozen=True, slots=True)
class Slapd:
    """A directory that runs."""

    program: Program
    url: str
    tls_url: str
    authority: Path
    """The file with the authority that has signed for it."""


@contextlib.contextmanager
def slapd() -> Iterator[Slapd]:
    """A directory with `PEOPLE`, and many more of them in another place. Raises Missing."""
    installed, loader = program("slapd", Path("/usr/sbin/slapd")), program("slapadd", Path("/usr/sbin/slapadd"))
    if not (_SCHEMAS / "core.schema").exists() or not (_MODULES / "memberof.so").exists():
        raise Missing("slapd is installed without its schemas or modules")
    with folder() as own:
        authority = Authority(own)
        configuration, content = own / "slapd.conf", own / "content.ldif"
        configuration.write_text(_configuration(own, authority.file_for("localhost", "127.0.0.1")))
        content.write_text(PEOPLE + "".join(_one_of_many(number) for number in range(MANY)))
        (own / "data").mkdir()
        _load(loader, configuration, content)
        port, tls_port = free_port(), free_port()
        url, tls_url = f"ldap://127.0.0.1:{port}", f"ldaps://127.0.0.1:{tls_port}"
        command = [installed, "-f", str(configuration), "-h", f"{url}/ {tls_url}/", "-d", "0"]
        for started in running(Program(command, port, own / "log")):
            yield Slapd(started, url, tls_url, authority.trusted_file())


def _load(loader: str, configuration: Path, content: Path) -> None:
    done = subprocess.run(
        [loader, "-q", "-f", str(configuration), "-l", str(content)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"slapadd: {done.stderr}")


def _configuration(own: Path, certificate: Path) -> str:
    return f"""\
include {_SCHEMAS}/core.schema
include {_SCHEMAS}/cosine.schema
include {_SCHEMAS}/inetorgperson.schema
include {_SCHEMAS}/nis.schema
modulepath {_MODULES}
moduleload back_mdb
pidfile {own}/pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {certificate}
database mdb
suffix "{SUFFIX}"
rootdn "cn=root,{SUFFIX}"
directory {own}/data
sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{READER}" read by * none
"""


def _one_of_many(number: int) -> str:
    return f"""
dn: uid=p{number:04},ou=many,{SUFFIX}
objectClass: inetOrgPerson
uid: p{number:04}
cn: Person {number}
sn: {number}
"""


PEOPLE = f"""\
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: {PASSWORD}

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{SUFFIX}
objectClass: organizationalUnit
ou: groups

dn: ou=many,{SUFFIX}
objectClass: organizationalUnit
ou: many

dn: ou=nobody,{SUFFIX}
objectClass: organizationalUnit
ou: nobody

dn: uid=jdoe,ou=people,{SUFFIX}
objectClass: inetOrgPerson
uid: jdoe
cn: Jo Doe
sn: Doe
mail: jo@example.com
employeeNumber: 17
title: cn=engineering,ou=groups,{SUFFIX}
jpegPhoto:: {base64.b64encode(PORTRAIT).decode()}

dn: cn=Smith\\, Åsa+uid=asmith,ou=people,{SUFFIX}
objectClass: inetOrgPerson
uid: asmith
cn: Smith, Åsa
sn: Smith
mail: asa@example.com

dn: cn=printer,ou=people,{SUFFIX}
objectClass: inetOrgPerson
cn: printer
sn: printer

dn: ou=elsewhere,ou=people,{SUFFIX}
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:9/ou=elsewhere,{SUFFIX}

dn: cn=Engineering,ou=groups,{SUFFIX}
objectClass: groupOfNames
cn: Engineering
description: All who build
member: CN=payments team , OU=Groups,DC=Example,DC=Com

dn: cn=payments team,ou=groups,{SUFFIX}
objectClass: groupOfNames
cn: payments team
member: uid=jdoe,ou=people,{SUFFIX}
member: UID=ASMITH+CN=smith\\2C åsa,OU=people,{SUFFIX}
member: uid=gone,ou=people,{SUFFIX}

dn: cn=operators,ou=groups,{SUFFIX}
objectClass: posixGroup
cn: operators
gidNumber: 1000
memberUid: jdoe
"""
