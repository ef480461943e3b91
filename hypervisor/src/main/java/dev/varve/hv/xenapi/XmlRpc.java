// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiMethod;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.hv.xenapi.schema.ApiType;
import dev.varve.hv.xenapi.schema.ApiTypes;
import dev.varve.vdi.StorageException;

import java.nio.charset.StandardCharsets;

/**
 * Calls as XML-RPC. A success is a struct of {@code Status} and {@code Value}, a failure one of
 * {@code Status} and {@code ErrorDescription}; there are no faults. Only {@code system.listMethods}
 * answers without such a struct.
 */
public final class XmlRpc {
    private static final String HEAD = "<?xml version=\"1.0\"?><methodResponse><params><param>";
    private static final String TAIL = "</param></params></methodResponse>";

    private final Dispatcher dispatcher;
    private final ApiSchema schema;

    /** Calls to the dispatcher. */
    public XmlRpc(Dispatcher dispatcher, ApiSchema schema) {
        this.dispatcher = dispatcher;
        this.schema = schema;
    }

    /**
     * Carries a call out and gives the answer, be it a failure.
     *
     * @throws MalformedCallException when the text is no call
     */
    public byte[] answer(Caller caller, byte[] request) throws MalformedCallException {
        XmlCall call = XmlCall.parse(request);
        StringBuilder xml = new StringBuilder(HEAD);
        XmlText text = new XmlText(schema, xml);
        try {
            Object result = dispatcher.call(caller, call.method(), call.params());
            ApiType type = dispatcher.resultOf(call.method());
            if (bare(call.method())) {
                text.value(type, result);
            } else {
                xml.append("<value><struct><member><name>Status</name>");
                text.value(ApiTypes.TEXT, "Success");
                xml.append("</member><member><name>Value</name>");
                text.value(type, result);
                xml.append("</member></struct></value>");
            }
        } catch (StorageException e) {
            xml.setLength(HEAD.length());
            xml.append("<value><struct><member><name>Status</name>");
            text.value(ApiTypes.TEXT, "Failure");
            xml.append("</member><member><name>ErrorDescription</name>");
            text.value(ApiTypes.TEXTS, Tasks.description(e));
            xml.append("</member></struct></value>");
        }
        return xml.append(TAIL).toString().getBytes(StandardCharsets.UTF_8);
    }

    private boolean bare(String method) {
        return schema.method(method).map(ApiMethod::className).orElse("").equals("system");
    }
}
