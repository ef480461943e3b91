// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.block.IoStatus;

/**
 * Numbers of the NBD protocol, from the protocol document of the NBD project. All numbers on the
 * wire are big-endian. {@code docs/protocols/nbd.md} has the tables of the messages.
 */
final class Nbd {
    static final long MAGIC = 0x4E42444D41474943L;
    static final long OPTION_MAGIC = 0x49484156454F5054L;
    static final long OPTION_REPLY_MAGIC = 0x0003E889045565A9L;
    static final int REQUEST_MAGIC = 0x25609513;
    static final int SIMPLE_REPLY_MAGIC = 0x67446698;
    static final int STRUCTURED_REPLY_MAGIC = 0x668E33EF;

    static final int REQUEST_BYTES = 28;
    static final int SIMPLE_REPLY_BYTES = 16;
    static final int CHUNK_HEADER_BYTES = 20;
    static final int OPTION_HEADER_BYTES = 16;

    static final int FLAG_FIXED_NEWSTYLE = 1;
    static final int FLAG_NO_ZEROES = 2;

    static final int OPT_EXPORT_NAME = 1;
    static final int OPT_ABORT = 2;
    static final int OPT_LIST = 3;
    static final int OPT_STARTTLS = 5;
    static final int OPT_INFO = 6;
    static final int OPT_GO = 7;
    static final int OPT_STRUCTURED_REPLY = 8;
    static final int OPT_LIST_META_CONTEXT = 9;
    static final int OPT_SET_META_CONTEXT = 10;

    static final int REP_ACK = 1;
    static final int REP_SERVER = 2;
    static final int REP_INFO = 3;
    static final int REP_META_CONTEXT = 4;
    static final int REP_ERR_UNSUP = 0x80000001;
    static final int REP_ERR_POLICY = 0x80000002;
    static final int REP_ERR_INVALID = 0x80000003;
    static final int REP_ERR_TLS_REQD = 0x80000005;
    static final int REP_ERR_UNKNOWN = 0x80000006;
    static final int REP_ERR_TOO_BIG = 0x80000009;

    static final int INFO_EXPORT = 0;
    static final int INFO_BLOCK_SIZE = 3;

    static final int EXPORT_HAS_FLAGS = 1;
    static final int EXPORT_READ_ONLY = 1 << 1;
    static final int EXPORT_SEND_FLUSH = 1 << 2;
    static final int EXPORT_SEND_FUA = 1 << 3;
    static final int EXPORT_SEND_TRIM = 1 << 5;
    static final int EXPORT_SEND_WRITE_ZEROES = 1 << 6;
    static final int EXPORT_SEND_DF = 1 << 7;
    static final int EXPORT_CAN_MULTI_CONN = 1 << 8;

    static final int CMD_READ = 0;
    static final int CMD_WRITE = 1;
    static final int CMD_DISC = 2;
    static final int CMD_FLUSH = 3;
    static final int CMD_TRIM = 4;
    static final int CMD_WRITE_ZEROES = 6;
    static final int CMD_BLOCK_STATUS = 7;

    static final int CMD_FLAG_FUA = 1;
    static final int CMD_FLAG_NO_HOLE = 1 << 1;
    static final int CMD_FLAG_DF = 1 << 2;
    static final int CMD_FLAG_REQ_ONE = 1 << 3;

    static final int REPLY_FLAG_DONE = 1;
    static final int REPLY_OFFSET_DATA = 1;
    static final int REPLY_BLOCK_STATUS = 5;
    static final int REPLY_ERROR = 0x8001;

    static final int STATE_HOLE = 1;
    static final int STATE_ZERO = 2;

    static final String CONTEXT_ALLOCATION = "base:allocation";
    static final int CONTEXT_ALLOCATION_ID = 1;

    static final int MINIMUM_BLOCK_BYTES = 512;
    static final int PREFERRED_BLOCK_BYTES = 4096;
    static final int MAXIMUM_PAYLOAD_BYTES = 32 << 20;

    static final int EPERM = 1;
    static final int EIO = 5;
    static final int EINVAL = 22;
    static final int ENOSPC = 28;
    static final int ENOTSUP = 95;
    static final int ESHUTDOWN = 108;

    private Nbd() {}

    /** The error number for a status; 0 for OK. */
    static int error(IoStatus status) {
        return switch (status) {
            case OK -> 0;
            case IO_ERROR, TIMED_OUT -> EIO;
            case NO_SPACE -> ENOSPC;
            case INVALID -> EINVAL;
            case READ_ONLY -> EPERM;
            case NOT_SUPPORTED -> ENOTSUP;
            case CANCELLED -> ESHUTDOWN;
        };
    }
}
