// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import static dev.varve.hv.xenapi.schema.ApiField.ro;
import static dev.varve.hv.xenapi.schema.ApiField.rw;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT_MAP;
import static dev.varve.hv.xenapi.schema.ApiTypes.ref;

import dev.varve.vdi.ErrorCode;

/** Passwords of storage, so that the device configuration needs to hold only their names. */
final class SecretClass {
    static final ApiClass SECRET = secret();

    private SecretClass() {}

    private static ApiClass secret() {
        ApiClass.Builder b =
                ApiClass.named("secret", "A password or key that other objects refer to.");
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        rw("value", TEXT, "the secret itself"),
                        rw("other_config", TEXT_MAP, "additional configuration"))
                .listed("uuid", "value")
                .methods(
                        b.method("create", "Keeps a secret.")
                                .param("record", new ApiType.RecordOf("secret"), "its fields")
                                .returns(ref("secret"))
                                .raises(ErrorCode.FIELD_TYPE_ERROR),
                        b.method("introduce", "Keeps a secret under a UUID that is known.")
                                .param("uuid", TEXT, "the UUID")
                                .param("value", TEXT, "the secret itself")
                                .param("other_config", TEXT_MAP, "additional configuration")
                                .returns(ref("secret"))
                                .raises(ErrorCode.UUID_INVALID, ErrorCode.OPERATION_NOT_ALLOWED),
                        b.method("destroy", "Forgets a secret.")
                                .param("self", ref("secret"), "the secret"))
                .build();
    }
}
