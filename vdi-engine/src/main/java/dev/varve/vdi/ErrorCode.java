// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi;

import java.util.List;

/**
 * Every error the system can answer with: its name on the wire, the names of its parameters in
 * order, and one sentence of meaning.
 *
 * <p>The names and parameter counts are those of the XenAPI, so that existing clients recognise
 * them. Errors of a storage repository have the wire name {@code SR_BACKEND_FAILURE_n} with the
 * number of the reference error table and always the three parameters of a backend failure, of
 * which the middle one is the message. {@code docs/errors.md} lists all of them; a test keeps both
 * the same.
 */
public enum ErrorCode {
    SR_INVALID_ARGUMENT(1, "An argument of the storage call is not acceptable."),
    SR_IN_USE(16, "The storage repository is in use."),
    SR_CONFIG_SECRET_INVALID(20, "A secret named in the device configuration does not exist."),
    SR_VDI_IN_USE(24, "The disk is in use, here or on another host."),
    SR_LOCK_FAILED(37, "A lock of the storage repository could not be had."),
    SR_NOT_IMPLEMENTED(38, "The storage repository cannot do this."),
    SR_NOT_EMPTY_BACKEND(39, "The storage repository still holds disks."),
    SR_SCAN_FAILED(40, "The storage repository could not be scanned."),
    SR_EXISTS(42, "There is already something where the storage repository would be created."),
    VDI_EXISTS(43, "There is already a disk of this name."),
    SR_NO_SPACE(44, "The storage repository is full."),
    VDI_UNAVAILABLE(46, "The disk cannot be used now."),
    SR_UNAVAILABLE(47, "The storage repository cannot be reached."),
    SR_UNKNOWN_TYPE_BACKEND(48, "No driver serves this type of storage repository."),
    LVM_CREATE(50, "The logical volume could not be made."),
    LVM_DELETE(51, "The logical volume could not be removed."),
    SR_MOUNT(52, "The file system of the storage repository could not be mounted."),
    SR_UNMOUNT(53, "The file system of the storage repository could not be unmounted."),
    LVM_WRITE(54, "The metadata of the volume group could not be written."),
    LVM_PART_CREATE(55, "The device could not be made ready for a volume group."),
    DEVICE_IN_USE(56, "The device for the storage repository is in use."),
    SR_FILESYSTEM(57, "The file system of the storage repository reported an error."),
    LVM_MASTER(58, "The volume group belongs to another pool, or another host maintains it."),
    LVM_RESIZE(59, "The logical volume could not be resized."),
    FILE_SR_CREATE(61, "The directory of the storage repository could not be created."),
    FILE_SR_DELETE(63, "The directory of the storage repository could not be emptied."),
    VDI_REMOVE(64, "The disk could not be removed."),
    VDI_LOAD(65, "The disk could not be read."),
    VDI_TYPE(66, "The disk is of a type that this call cannot handle."),
    ISCSI_DEVICE(67, "The LUN could not be used."),
    ISCSI_LOGIN(68, "The iSCSI target refused the login."),
    ISCSI_LOGOUT(69, "The iSCSI session could not be ended."),
    ISCSI_INITIATOR(70, "The initiator name of this host is missing or not acceptable."),
    LVM_GROUP_CREATE(77, "The volume group could not be made."),
    VDI_CREATE(78, "The disk could not be created."),
    VDI_SIZE(79, "The size of the disk is not acceptable."),
    VDI_DELETE(80, "The disk could not be deleted."),
    VDI_CLONE(81, "The disk could not be cloned."),
    VDI_SNAPSHOT(82, "The snapshot could not be taken."),
    ISCSI_DISCOVERY(83, "The iSCSI portal did not list its targets."),
    ISCSI_IQN(84, "The iSCSI target is not one that the portal offers."),
    CONFIG_LUN_MISSING(87, "The device configuration names no LUN."),
    CONFIG_DEVICE_MISSING(90, "The device configuration names no device."),
    CONFIG_DEVICE_INVALID(91, "The device in the device configuration cannot be used."),
    VOLUME_NOT_FOUND(92, "The volume is not in the volume group."),
    PVS_FAILED(93, "The label of the physical volume cannot be read or is damaged."),
    CONFIG_LOCATION_MISSING(94, "The device configuration names no location."),
    CONFIG_TARGET_MISSING(95, "The device configuration names no target."),
    CONFIG_TARGET_IQN_MISSING(96, "The device configuration names no target IQN."),
    CONFIG_LOCAL_IQN_MISSING(97, "This host has no initiator name."),
    CONFIG_LUN_SERIAL_MISSING(
            98, "The LUN has no serial number by which it could be told from others."),
    LVM_ONE_LUN(99, "A repository of this type lies on exactly one LUN."),
    LVM_NO_VOLUME_GROUP(100, "There is no volume group of this repository on the device."),
    ROOT_DEVICE(105, "The device holds the system of this host."),
    INVALID_IQN(106, "The name is not an iSCSI name."),
    CONFIG_SCSI_ID_MISSING(107, "The device configuration names no SCSIid."),
    SNAPSHOT_CHAIN_TOO_LONG(109, "The chain of snapshots is too long."),
    VDI_RESIZE(110, "The disk could not be resized."),
    CONFIG_PARAMS_MISSING(115, "The device configuration lacks a key that is needed."),
    PV_MULTIPLE_IDS(119, "Several devices claim to be the same physical volume."),
    DNS_ERROR(140, "The name of the server could not be resolved."),
    ISCSI_TARGET(141, "The iSCSI target does not answer."),
    ISCSI_PORT(142, "The port is not acceptable."),
    SR_BAD_REQUEST(143, "The storage call is not acceptable."),
    VDI_NOT_ON_STORAGE(144, "The disk is not on the storage repository."),
    LVM_PROVISION_ATTACH(180, "The disk cannot be given the room that it needs to be attached."),
    SR_METADATA(181, "The metadata of the storage repository is damaged or could not be written."),
    SR_IO_ERROR(200, "The storage reported an input/output error."),
    SR_GENERAL(202, "The storage repository failed in a way that no other error names."),
    MULTIPATH_DEVICE(430, "The paths to the LUN do not lead to the same device."),
    CBT_CHANGED_BLOCKS(
            460, "The changed blocks between two disks are not known; make a full copy."),
    SR_NOT_WRITABLE(461, "The storage repository cannot be written to."),
    INTERNAL_ERROR(
            List.of("message"),
            "The server met a condition it did not expect; its log has the details."),
    MESSAGE_METHOD_UNKNOWN(List.of("method"), "There is no method of this name."),
    MESSAGE_PARAMETER_COUNT_MISMATCH(
            List.of("method", "expected", "received"),
            "The call has too many or too few parameters."),
    FIELD_TYPE_ERROR(List.of("field"), "The value is not of the type of the field."),
    INVALID_VALUE(List.of("field", "value"), "The value is not acceptable for this field."),
    VALUE_NOT_SUPPORTED(
            List.of("field", "value", "reason"), "The value is known, but not supported here."),
    HANDLE_INVALID(List.of("class", "handle"), "There is no object of this reference."),
    UUID_INVALID(List.of("type", "uuid"), "There is no object of this UUID."),
    MAP_DUPLICATE_KEY(
            List.of("type", "param_name", "uuid", "key"), "The map already has this key."),
    SESSION_INVALID(List.of("handle"), "The session does not exist or has ended."),
    SESSION_AUTHENTICATION_FAILED(
            List.of("user", "message"), "The user name or the password is not right."),
    SESSION_NOT_REGISTERED(
            List.of("handle"), "The session has not said which events it wants to be told of."),
    EVENTS_LOST(
            List.of(),
            "The changes after this token cannot be told any more; ask for all objects again."),
    EVENT_FROM_TOKEN_PARSE_FAILURE(List.of("token"), "The token is none that this server gave."),
    EVENT_SUBSCRIPTION_PARSE_FAILURE(
            List.of("subscription"), "This names neither a class nor an object."),
    PERMISSION_DENIED(List.of("message"), "The caller may not do this."),
    NOT_IMPLEMENTED(List.of("function"), "This function is not there yet."),
    OPERATION_NOT_ALLOWED(List.of("reason"), "The operation is not allowed in the present state."),
    OTHER_OPERATION_IN_PROGRESS(
            List.of("class", "object"), "Another operation on the same object is still running."),
    TOO_MANY_PENDING_TASKS(
            List.of(), "Too many calls are under way already; try again when some have ended."),
    TASK_CANCELLED(List.of("task"), "The task was cancelled."),
    OPERATION_TIMED_OUT(
            List.of("operation", "seconds"), "The operation did not finish before its deadline."),
    SR_UNKNOWN_DRIVER(List.of("driver"), "No driver serves this type of storage repository."),
    SR_OPERATION_NOT_SUPPORTED(
            List.of("sr"), "The driver of this storage repository does not offer the operation."),
    SR_HAS_PBD(List.of("sr"), "The storage repository is still plugged in."),
    SR_HAS_NO_PBDS(List.of("sr"), "The storage repository has no connection to any host."),
    SR_NOT_ATTACHED(List.of("sr"), "The storage repository is not attached to this host."),
    SR_NOT_EMPTY(List.of("sr"), "The storage repository still holds disks."),
    SR_FULL(List.of("requested", "maximum"), "The storage repository has too little room."),
    SR_DEVICE_IN_USE(List.of("sr"), "The storage repository is used by a plugged device."),
    SR_UUID_EXISTS(List.of("sr"), "A storage repository of this UUID is already known."),
    PBD_EXISTS(
            List.of("sr", "host", "pbd"),
            "The storage repository is already connected to this host."),
    VDI_IN_USE(List.of("vdi", "operation"), "The disk is attached, or another operation uses it."),
    VDI_MISSING(List.of("sr", "vdi"), "The disk is not on the storage repository."),
    VDI_READONLY(List.of("vdi"), "The disk may only be read."),
    VDI_NOT_MANAGED(List.of("vdi"), "The disk is an internal node and cannot be used by itself."),
    VDI_TOO_SMALL(List.of("vdi", "minimum"), "The disk would be too small."),
    VDI_TOO_LARGE(List.of("vdi", "maximum"), "The disk would be too large for its format."),
    VDI_NO_CBT_METADATA(
            List.of("vdi"),
            "Changed blocks of the disk are not tracked, so nothing can be compared."),
    VDI_CBT_ENABLED(
            List.of("vdi"), "This cannot be done with a disk whose changed blocks are tracked."),
    VDI_INCOMPATIBLE_TYPE(List.of("vdi", "type"), "This cannot be done with a disk of this type."),
    VDI_NOT_ATTACHED(List.of("vdi"), "The disk is not attached."),
    IMPORT_ERROR_GENERIC(
            List.of("message"),
            "What was to be imported is damaged, incomplete, or of another kind."),
    CLIENT_ERROR(List.of("message"), "The client ended the transfer early."),
    DEVICE_ALREADY_EXISTS(List.of("device"), "There is already a device of this name."),
    DEVICE_ALREADY_ATTACHED(List.of("device"), "The device is already attached."),
    DEVICE_ALREADY_DETACHED(List.of("device"), "The device is not attached."),
    DEVICE_NOT_ATTACHED(List.of("vbd"), "The device is not attached."),
    DEVICE_DETACH_TIMEOUT(List.of("type", "ref"), "The device did not come free in time.");

    private final String wireName;
    private final List<String> parameters;
    private final String meaning;
    private final boolean backend;

    ErrorCode(int number, String meaning) {
        this.wireName = "SR_BACKEND_FAILURE_" + number;
        this.parameters = List.of("stdout", "message", "stderr");
        this.meaning = meaning;
        this.backend = true;
    }

    ErrorCode(List<String> parameters, String meaning) {
        this.wireName = name();
        this.parameters = parameters;
        this.meaning = meaning;
        this.backend = false;
    }

    /** The name that clients see. */
    public String wireName() {
        return wireName;
    }

    /** The names of the parameters, in the order in which they are sent. */
    public List<String> parameters() {
        return parameters;
    }

    /** One sentence that says what happened. */
    public String meaning() {
        return meaning;
    }

    /**
     * Whether this is a failure of a storage repository, with a free message as its second
     * parameter.
     */
    public boolean isBackendFailure() {
        return backend;
    }

    /**
     * A backend failure with its message. Only for codes where {@link #isBackendFailure()} holds.
     */
    public StorageException because(String message) {
        return because(message, null);
    }

    /** A backend failure with its message and the exception that led to it. */
    public StorageException because(String message, Throwable cause) {
        if (!backend) {
            throw new IllegalArgumentException(name() + " takes parameters, not a message");
        }
        return new StorageException(this, List.of("", message, ""), cause);
    }

    /**
     * A backend failure with its message and a document for programs, which goes where clients look
     * for it: what there is to choose from, when the configuration leaves a choice open.
     */
    public StorageException documented(String message, String document) {
        if (!backend) {
            throw new IllegalArgumentException(name() + " takes parameters, not a message");
        }
        return new StorageException(this, List.of("", message, document), null);
    }

    /** An error with its parameters, whose number must be that of {@link #parameters()}. */
    public StorageException with(String... values) {
        return new StorageException(this, List.of(values), null);
    }
}
