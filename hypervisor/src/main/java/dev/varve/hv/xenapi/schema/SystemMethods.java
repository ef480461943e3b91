// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

/** Methods that belong to no class. */
final class SystemMethods {
    static final ApiMethod LIST_METHODS =
            ApiMethod.of("system", "listMethods", "The names of all methods.")
                    .withoutSession()
                    .maybe("session_id", ApiTypes.TEXT, "not needed")
                    .returns(ApiTypes.TEXTS);

    private SystemMethods() {}
}
