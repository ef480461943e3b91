# Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.
"""Drives xmlrpc.client against a daemon. usage: xmlrpc-client.py URL PASSWORD"""

import datetime
import sys
import xmlrpc.client

url, password = sys.argv[1:]


def done(step):
    print("done: " + step, flush=True)


def proxy(path="", **options):
    return xmlrpc.client.ServerProxy(url + path, **options)


class Failure(Exception):
    pass


def value(answer):
    if answer["Status"] != "Success":
        raise Failure(*answer["ErrorDescription"])
    return answer["Value"]


def fails(code, answer):
    assert answer["Status"] == "Failure", answer
    assert answer["ErrorDescription"][0] == code, answer


server = proxy()
fails("SESSION_AUTHENTICATION_FAILED", server.session.login_with_password("root", "no"))
session = value(server.session.login_with_password("root", password, "2.21", "python \u20ac"))
done("two and four parameters log in")

# Without a path this client takes /RPC2; all of these are the same.
for path in ("/", "/RPC2", "/xmlrpc"):
    assert value(proxy(path).SR.get_all(session)) == []
assert "VDI.snapshot" in server.system.listMethods()
done("every path answers")

host = value(server.host.get_all(session))[0]
record = value(server.host.get_record(session, host))
assert isinstance(record["enabled"], bool), record["enabled"]
now = value(server.host.get_servertime(session, host))
assert isinstance(now, xmlrpc.client.DateTime), now
then = datetime.datetime.strptime(now.value, "%Y%m%dT%H:%M:%SZ")
age = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - then
assert abs(age.total_seconds()) < 600, now
done("dates and truths have their types")

text = "line\nline\n\ttab <&>\"' \u00e9\u20ac\U0001f600 ]]>  end  "
secret = value(server.secret.create(session, {"value": text, "other_config": {text: text}}))
assert value(server.secret.get_value(session, secret)) == text
assert value(server.secret.get_other_config(session, secret)) == {text: text}
assert value(server.secret.get_all_records(session))[secret]["value"] == text
done("texts come back as they were")

fails("FIELD_TYPE_ERROR", proxy(allow_none=True).secret.set_value(session, secret, None))
fails("FIELD_TYPE_ERROR", server.secret.set_value(session, secret, 7))
fails("HANDLE_INVALID", server.secret.get_value(session, "OpaqueRef:none"))
fails("MESSAGE_METHOD_UNKNOWN", server.no.such.method(session))
fails("MESSAGE_PARAMETER_COUNT_MISMATCH", server.secret.get_value(session))
done("what does not fit is told")

call = getattr(server.event, "from")
first = value(call(session, ["*"], "", 0.0))
value(server.secret.set_value(session, secret, "changed"))
batch = value(call(session, ["secret"], first["token"], 20.0))
assert [event["ref"] for event in batch["events"]] == [secret], batch
assert batch["events"][0]["snapshot"]["value"] == "changed", batch
assert isinstance(batch["valid_ref_counts"]["secret"], int), batch
value(server.session.logout(session))
fails("SESSION_INVALID", server.SR.get_all(session))
done("events come and the session ends")
