// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import static dev.varve.hv.xenapi.schema.ApiField.ro;
import static dev.varve.hv.xenapi.schema.ApiField.rw;
import static dev.varve.hv.xenapi.schema.ApiTypes.BOOL;
import static dev.varve.hv.xenapi.schema.ApiTypes.DATE_TIME;
import static dev.varve.hv.xenapi.schema.ApiTypes.FLOAT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXTS;
import static dev.varve.hv.xenapi.schema.ApiTypes.TEXT_MAP;
import static dev.varve.hv.xenapi.schema.ApiTypes.oneOf;
import static dev.varve.hv.xenapi.schema.ApiTypes.ref;
import static dev.varve.hv.xenapi.schema.ApiTypes.refs;

import dev.varve.hv.xenapi.schema.ApiClass.Trait;
import dev.varve.vdi.ErrorCode;

/** Who calls, and what is going on for whom. */
final class SessionClasses {
    static final ApiClass SESSION = session();
    static final ApiClass TASK = task();

    private SessionClasses() {}

    private static ApiClass session() {
        ApiClass.Builder b = ApiClass.named("session", "A login.", Trait.VOLATILE, Trait.UNLISTED);
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        ro("this_host", ref("host"), "the host that is talked to"),
                        ro("this_user", ref("user"), "the user that logged in"),
                        ro("last_active", DATE_TIME, "when it was used last"),
                        ro("pool", BOOL, "whether it is one between hosts of a pool"),
                        rw("other_config", TEXT_MAP, "additional configuration"),
                        ro("is_local_superuser", BOOL, "whether the user may do everything"),
                        ro("subject", ref("subject"), "the subject of the directory service"),
                        ro("validation_time", DATE_TIME, "when it was validated last"),
                        ro("auth_user_sid", TEXT, "the identifier that was authenticated"),
                        ro("auth_user_name", TEXT, "the name that was authenticated"),
                        ro("rbac_permissions", TEXTS, "the permissions, if they are limited"),
                        ro("tasks", refs("task"), "the tasks that it made"),
                        ro("parent", ref("session"), "the session that made this one"),
                        ro("originator", TEXT, "the name that the client gave itself"),
                        ro("client_certificate", BOOL, "whether a certificate logged in"))
                .methods(
                        b.method("login_with_password", "Logs in.")
                                .withoutSession()
                                .param("uname", TEXT, "the user")
                                .param("pwd", TEXT, "the password")
                                .maybe("version", TEXT, "the version that the client speaks")
                                .maybe("originator", TEXT, "the name of the client")
                                .returns(ref("session"))
                                .raises(ErrorCode.SESSION_AUTHENTICATION_FAILED),
                        b.method("logout", "Ends the session of the call."),
                        b.method("change_password", "Changes the password of the user.")
                                .param("old_pwd", TEXT, "the present password")
                                .param("new_pwd", TEXT, "the new password")
                                .raises(
                                        ErrorCode.SESSION_AUTHENTICATION_FAILED,
                                        ErrorCode.VALUE_NOT_SUPPORTED))
                .build();
    }

    private static ApiClass task() {
        ApiClass.Builder b =
                ApiClass.named(
                        "task", "Something that takes a while.", Trait.VOLATILE, Trait.NAMED);
        return b.fields(
                        ro("uuid", TEXT, "the unique identifier"),
                        ro("name_label", TEXT, "what it does"),
                        ro("name_description", TEXT, "more about it"),
                        ro("subtask_of", ref("task"), "the task that it is a part of")
                                .named("subtask_of"),
                        ro("subtasks", refs("task"), "its parts").inverse("task", "subtask_of"),
                        ro("resident_on", ref("host"), "the host that works on it"),
                        ro(
                                        "status",
                                        oneOf(
                                                "task_status_type",
                                                "pending",
                                                "success",
                                                "failure",
                                                "cancelling",
                                                "cancelled"),
                                        "how it stands")
                                .computed(),
                        ro("progress", FLOAT, "how much is done, from 0 to 1").computed(),
                        ro("type", TEXT, "the type of the result"),
                        ro("result", TEXT, "the result, when it has succeeded"),
                        ro("created", DATE_TIME, "when it was made"),
                        ro("finished", DATE_TIME, "when it ended"),
                        ro("error_info", TEXTS, "the error, when it has failed")
                                .named("error_info"),
                        ro(
                                        "allowed_operations",
                                        new ApiType.SetOf(
                                                oneOf(
                                                        "task_allowed_operations",
                                                        "cancel",
                                                        "destroy")),
                                        "what may be done with it now")
                                .computed()
                                .named("allowed_operations"),
                        ro("current_operations", TEXT_MAP, "what is being done with it")
                                .computed()
                                .named("current_operations"),
                        rw("other_config", TEXT_MAP, "additional configuration"),
                        ro("backtrace", TEXT, "where it failed").hidden())
                .listed("uuid", "name-label", "name-description", "status", "progress")
                .methods(
                        b.method("create", "Makes a task that the caller looks after.")
                                .param("label", TEXT, "what it does")
                                .param("description", TEXT, "more about it")
                                .returns(ref("task")),
                        b.method("destroy", "Removes a task of the caller.")
                                .param("self", ref("task"), "the task")
                                .raises(ErrorCode.OPERATION_NOT_ALLOWED),
                        b.method("cancel", "Asks for an end of the work.")
                                .param("task", ref("task"), "the task")
                                .raises(ErrorCode.OPERATION_NOT_ALLOWED))
                .build();
    }
}
