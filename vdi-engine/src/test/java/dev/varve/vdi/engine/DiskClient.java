// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.block.IoStatus;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A client of a disk that waits for each request. */
public final class DiskClient {
    private final ActiveVdi vdi;

    public DiskClient(ActiveVdi vdi) {
        this.vdi = vdi;
    }

    public byte[] read(long offset, int length) {
        MemorySegment memory = Arena.ofAuto().allocate(length, 4096);
        expectOk(run(BlockOp.READ, 0, offset, length, memory));
        return memory.toArray(ValueLayout.JAVA_BYTE);
    }

    public void write(long offset, byte[] data) {
        expectOk(tryWrite(offset, data, 0));
    }

    public void writeDurably(long offset, byte[] data) {
        expectOk(tryWrite(offset, data, BlockRequest.FUA));
    }

    public IoStatus tryWrite(long offset, byte[] data, int flags) {
        MemorySegment memory = Arena.ofAuto().allocate(data.length, 4096);
        MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, 0, data.length);
        return run(BlockOp.WRITE, flags, offset, data.length, memory);
    }

    public void flush() {
        expectOk(run(BlockOp.FLUSH, 0, 0, 0, null));
    }

    public void discard(long offset, long length) {
        expectOk(run(BlockOp.DISCARD, 0, offset, length, null));
    }

    public void writeZeroes(long offset, long length, int flags) {
        expectOk(run(BlockOp.WRITE_ZEROES, flags, offset, length, null));
    }

    public ExtentList extents(long offset, long length) {
        ExtentList list = new ExtentList(1024);
        CompletableFuture<IoStatus> done = new CompletableFuture<>();
        vdi.lane()
                .execute(
                        () -> {
                            BlockRequest request = vdi.lane().acquire();
                            request.set(BlockOp.EXTENTS, 0, offset, length);
                            request.extents = list;
                            request.push(end -> done.complete(end.status));
                            vdi.device().submit(request);
                        });
        expectOk(await(done));
        return list;
    }

    public IoStatus run(BlockOp op, int flags, long offset, long length, MemorySegment memory) {
        CompletableFuture<IoStatus> done = new CompletableFuture<>();
        vdi.lane()
                .submit(
                        vdi.device(),
                        op,
                        flags,
                        offset,
                        length,
                        memory,
                        0,
                        request -> {
                            IoStatus status = request.status;
                            request.context.release(request);
                            done.complete(status);
                        });
        return await(done);
    }

    private static IoStatus await(CompletableFuture<IoStatus> done) {
        return done.orTimeout(30, TimeUnit.SECONDS).join();
    }

    private static void expectOk(IoStatus status) {
        if (status != IoStatus.OK) {
            throw new AssertionError("the request ended with " + status);
        }
    }
}
