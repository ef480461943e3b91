// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import java.io.IOException;
import java.util.List;
import java.util.Map;

/** Calls of the owner to a daemon in a process of its own. */
public final class DaemonCalls {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final RealDaemon daemon;
    private final String session;

    /** Logs in. */
    public DaemonCalls(RealDaemon daemon) throws IOException {
        this.daemon = daemon;
        this.session = daemon.login();
    }

    /** Calls a method with the session as its first parameter; fails the test when it does. */
    public JsonNode call(String method, Object... params) throws IOException {
        JsonNode answer = answer(method, params);
        assertTrue(answer.path("error").isNull(), () -> method + ": " + answer);
        return answer.path("result");
    }

    /** Calls a method that has to be refused, and gives the error as one text. */
    public String refused(String method, Object... params) throws IOException {
        JsonNode answer = answer(method, params);
        assertFalse(answer.path("error").isNull(), () -> method + ": " + answer);
        return answer.path("error").toString();
    }

    /** Calls a method with the session as its first parameter and gives the whole answer. */
    public JsonNode answer(String method, Object... params) throws IOException {
        Object[] all = new Object[params.length + 1];
        all[0] = session;
        System.arraycopy(params, 0, all, 1, params.length);
        String request = JSON.writeValueAsString(Map.of("method", method, "params", List.of(all)));
        String reply = daemon.local(request);
        return JSON.readTree(reply.substring(reply.indexOf("\r\n\r\n")));
    }

    /** Attaches a repository that another host has made, and gives its reference. */
    public String introduce(String uuid, String type, Map<String, String> config)
            throws IOException {
        String sr = call("SR.introduce", uuid, "", "", type, "", true, Map.of()).asText();
        String host = call("host.get_all").path(0).asText();
        Map<String, Object> connection = Map.of("host", host, "SR", sr, "device_config", config);
        call("PBD.plug", call("PBD.create", connection).asText());
        return sr;
    }

    /** Makes a repository on this host and gives its reference. */
    public String createRepository(String type, Map<String, String> config) throws IOException {
        String host = call("host.get_all").path(0).asText();
        return call("SR.create", host, config, 0, "sr", "", type, "", false, Map.of()).asText();
    }

    /** Makes a disk and gives its reference. */
    public String createDisk(String sr, long sizeBytes) throws IOException {
        return call("VDI.create", Map.of("SR", sr, "virtual_size", sizeBytes, "name_label", "disk"))
                .asText();
    }

    /** Gives a disk to the control domain and tells its UUID, which is the name of its export. */
    public String attach(String vdi) throws IOException {
        call("VBD.plug", connect(vdi));
        return call("VDI.get_uuid", vdi).asText();
    }

    /** Connects a disk with the control domain, without plugging it in. */
    public String connect(String vdi) throws IOException {
        Map<String, String> use =
                Map.of(
                        "VM",
                        call("VM.get_all").path(0).asText(),
                        "VDI",
                        vdi,
                        "userdevice",
                        "autodetect",
                        "mode",
                        "RW");
        return call("VBD.create", use).asText();
    }

    /** Waits until all that was attached before a restart is attached again. */
    public void awaitAttached() throws IOException {
        String vbd = call("VBD.get_all").path(0).asText();
        String token = "";
        while (!call("VBD.get_currently_attached", vbd).asBoolean()) {
            double seconds = token.isEmpty() ? 0.0 : 10.0;
            token = call("event.from", List.of("VBD"), token, seconds).path("token").asText();
        }
    }
}
