// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import static dev.varve.hv.xenapi.schema.ApiField.ro;
import static dev.varve.hv.xenapi.schema.ApiTypes.DATE_TIME;
import static dev.varve.hv.xenapi.schema.ApiTypes.INT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT;
import static dev.varve.hv.xenapi.schema.ApiTypes.oneOf;
import static dev.varve.hv.xenapi.schema.ApiTypes.ref;
import static dev.varve.hv.xenapi.schema.ApiTypes.refs;

import dev.varve.vdi.ErrorCode;

/** What a person should know of: alarms and news. */
final class MessageClass {
    /** The classes of objects that a message can be about, as XenAPI names them. */
    private static final ApiType CLS =
            oneOf(
                    "cls",
                    "VM",
                    "Host",
                    "SR",
                    "Pool",
                    "VMPP",
                    "VMSS",
                    "PVS_proxy",
                    "VDI",
                    "Certificate");

    static final ApiClass MESSAGE = message();

    private MessageClass() {}

    private static ApiClass message() {
        ApiClass.Builder b = ApiClass.named("message", "Something that a person should know of.");
        ApiType records = new ApiType.MapOf(ref("message"), new ApiType.RecordOf("message"));
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        ro("name", TEXT, "what has happened, in a word"),
                        ro("priority", INT, "how urgent it is, from 1, most, to 5"),
                        ro("cls", CLS, "the class of the object that it is about").named("class"),
                        ro("obj_uuid", TEXT, "the UUID of the object that it is about"),
                        ro("timestamp", DATE_TIME, "when it was made"),
                        ro("body", TEXT, "more about it"))
                .listed("uuid", "name", "priority", "class", "obj-uuid", "timestamp", "body")
                .methods(
                        b.method("create", "Makes a message.")
                                .param("name", TEXT, "what has happened, in a word")
                                .param("priority", INT, "how urgent it is, from 1, most, to 5")
                                .param("cls", CLS, "the class of the object that it is about")
                                .param("obj_uuid", TEXT, "the UUID of that object")
                                .param("body", TEXT, "more about it")
                                .returns(ref("message"))
                                .raises(ErrorCode.UUID_INVALID, ErrorCode.VALUE_NOT_SUPPORTED),
                        b.method("destroy", "Removes a message.")
                                .param("self", ref("message"), "the message"),
                        b.method("destroy_many", "Removes messages, all or none.")
                                .param("messages", refs("message"), "the messages"),
                        b.method("get", "The messages about an object.")
                                .param("cls", CLS, "the class of the object")
                                .param("obj_uuid", TEXT, "the UUID of the object")
                                .param("since", DATE_TIME, "only those that are newer")
                                .returns(records),
                        b.method("get_since", "The messages that are newer than a time.")
                                .param("since", DATE_TIME, "that time")
                                .returns(records))
                .build();
    }
}
