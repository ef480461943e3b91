// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import com.lmax.disruptor.EventPoller;
import com.lmax.disruptor.RingBuffer;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.image.MetadataBudget;
import dev.varve.vdi.image.MetadataCache;
import dev.varve.vdi.io.IoBackend;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Waiting;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.concurrent.Semaphore;
import java.util.function.BiConsumer;
import java.util.function.BooleanSupplier;

/**
 * One consumer that does all the work of some disks: it takes requests from its ring and its event
 * sources, calls the stages of each disk in turn, and runs the completions of the backend.
 *
 * <p>All of it is {@link #doWork()}, over a backend and a clock. A {@link LaneThread} calls it in a
 * loop and sleeps in the backend when there is nothing to do; a simulation calls it by itself.
 *
 * <p><b>Invariants:</b> everything that belongs to a disk of this lane is touched by the lane only.
 * The ring never overflows: a producer takes a credit first and gets it back when the slot was
 * copied.
 *
 * <p><b>Threads:</b> {@link #execute}, {@link #submit} and {@link #wake} from any thread;
 * everything else from the lane's.
 */
public final class Lane implements IoContext {
    private static final int MOST_PASSES = 8;

    private final String name;
    private final IoBackend io;
    private final Clock clock;
    private final BiConsumer<String, Throwable> trouble;
    private final Waiting waiting;
    private final RingBuffer<IoSlot> ring;
    private final EventPoller<IoSlot> poller;
    private final EventPoller.Handler<IoSlot> takeSlot = this::takeSlot;
    private final Semaphore credits;
    private final BufferPool buffers;
    private final MetadataCache metadata;
    private final ArrayDeque<BlockRequest> freeRequests = new ArrayDeque<>();
    private final PriorityQueue<LaneTimer> timers = new PriorityQueue<>();
    private List<Runnable> endOfTurn = new ArrayList<>();
    private List<Runnable> spareEndOfTurn = new ArrayList<>();
    private final BooleanSupplier ringHasWork = this::ringHasWork;
    private int slotsTaken;
    private volatile long turns;
    private volatile Thread owner;

    /** A lane over the given backend that shares its memory for metadata with no other. */
    public Lane(String name, IoBackend io, EngineContext context) {
        this(name, io, context, new MetadataBudget(context.metadataBytes()));
    }

    /** A lane over the given backend. */
    public Lane(String name, IoBackend io, EngineContext context, MetadataBudget budget) {
        this.name = name;
        this.io = io;
        this.clock = context.clock();
        this.trouble = context.trouble();
        this.waiting = context.waiting();
        this.ring = RingBuffer.createMultiProducer(IoSlot::new, context.ringSlots());
        this.poller = ring.newPoller();
        ring.addGatingSequences(poller.getSequence());
        this.credits = new Semaphore(context.ringSlots());
        this.buffers = new BufferPool(context.bufferBytesPerLane(), this::atEndOfTurn);
        this.metadata = budget.open(this::execute);
    }

    /** What the lane is called. */
    public String name() {
        return name;
    }

    /** How others wait for the lane. Any thread. */
    public Waiting waiting() {
        return waiting;
    }

    // ---- for other threads

    /**
     * Runs a task on the lane. Waits when the ring is full; the lane itself does not, its task runs
     * at the end of the turn.
     */
    @Override
    public void execute(Runnable task) {
        if (Thread.currentThread() == owner) {
            atEndOfTurn(task);
            return;
        }
        long sequence = claim();
        ring.get(sequence).task = task;
        publish(sequence);
    }

    /**
     * Submits a request from another thread; the completion runs on the lane. Waits when the ring
     * is full. The memory must stay valid until then.
     */
    public void submit(
            BlockDevice device,
            BlockOp op,
            int flags,
            long offset,
            long length,
            MemorySegment buffer,
            long bufferOffset,
            BlockCompletion completion) {
        long sequence = claim();
        IoSlot slot = ring.get(sequence);
        slot.device = device;
        slot.op = op;
        slot.flags = flags;
        slot.offset = offset;
        slot.length = length;
        slot.buffer = buffer;
        slot.bufferOffset = bufferOffset;
        slot.completion = completion;
        publish(sequence);
    }

    /** With a credit in hand the ring has room, so this never waits for it. */
    private long claim() {
        credits.acquireUninterruptibly();
        return ring.next();
    }

    private void publish(long sequence) {
        ring.publish(sequence);
        io.wake();
    }

    /** Makes the lane look at its work. */
    public void wake() {
        io.wake();
    }

    /** How many turns the lane has made; it stands still while the lane is stuck or sleeps. */
    public long turns() {
        return turns;
    }

    // ---- for the lane's thread

    /** Does what there is to do and returns how much that was; never sleeps. */
    @SuppressWarnings("NonAtomicVolatileUpdate") // written by one thread
    public int doWork() {
        turns++;
        if (owner == null) {
            owner = Thread.currentThread();
        }
        int work = 0;
        try {
            work += drainRing();
            work += io.poll();
            work += runTimers();
            work += runEndOfTurn();
        } catch (RuntimeException | Error e) {
            trouble.accept(name, e);
            work++;
        }
        return work;
    }

    /** Sleeps until there is something to do, at most until the next timer is due. */
    public void idle(long longestNanos) {
        LaneTimer first = timers.peek();
        long nanos = longestNanos;
        if (first != null) {
            nanos = Math.min(nanos, Math.max(0, first.dueNanos() - clock.nanoTime()));
        }
        io.await(nanos, ringHasWork);
    }

    private boolean ringHasWork() {
        return poller.getSequence().get() < ring.getCursor();
    }

    private int drainRing() {
        try {
            return poller.poll(takeSlot) == EventPoller.PollState.PROCESSING ? 1 : 0;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException("the ring's poller threw", e);
        } finally {
            credits.release(slotsTaken);
            slotsTaken = 0;
        }
    }

    /** Copies the slot and lets the ring go on before anything is done with it. */
    private boolean takeSlot(IoSlot slot, long sequence, boolean endOfBatch) {
        Runnable task = slot.task;
        BlockDevice device = slot.device;
        BlockRequest request = null;
        if (task == null) {
            request = acquire();
            request.set(slot.op, slot.flags, slot.offset, slot.length);
            request.data(slot.buffer, slot.bufferOffset);
            request.push(slot.completion);
        }
        slot.clear();
        slotsTaken++;
        try {
            if (task != null) {
                task.run();
            } else {
                device.submit(request);
            }
        } catch (RuntimeException | Error e) {
            trouble.accept(name, e);
        }
        return true;
    }

    private int runTimers() {
        int run = 0;
        for (LaneTimer timer = timers.peek();
                timer != null && timer.dueNanos() - clock.nanoTime() <= 0;
                timer = timers.peek()) {
            timers.poll();
            run++;
            timer.fire();
        }
        return run;
    }

    /**
     * Tasks may add tasks; beyond a few rounds those wait for a turn, in which others come first.
     */
    private int runEndOfTurn() {
        int run = 0;
        for (int pass = 0; pass < MOST_PASSES && !endOfTurn.isEmpty(); pass++) {
            List<Runnable> tasks = endOfTurn;
            endOfTurn = spareEndOfTurn;
            spareEndOfTurn = tasks;
            for (int i = 0; i < tasks.size(); i++) {
                runTask(tasks.get(i));
                run++;
            }
            tasks.clear();
        }
        return run;
    }

    /** One task that throws takes nothing from those of other disks that follow it. */
    private void runTask(Runnable task) {
        try {
            task.run();
        } catch (RuntimeException | Error e) {
            trouble.accept(name, e);
        }
    }

    /** When the next timer is due in nanoseconds, or {@link Long#MAX_VALUE} without one. */
    public long nextTimerNanos() {
        LaneTimer first = timers.peek();
        return first == null ? Long.MAX_VALUE : first.dueNanos();
    }

    @Override
    public IoBackend io() {
        return io;
    }

    @Override
    public Clock clock() {
        return clock;
    }

    @Override
    public BufferPool buffers() {
        return buffers;
    }

    /** The metadata of the images of this lane's disks. */
    public MetadataCache metadata() {
        return metadata;
    }

    @Override
    public BlockRequest acquire() {
        BlockRequest request = freeRequests.poll();
        return request != null ? request : new BlockRequest(this);
    }

    @Override
    public void release(BlockRequest request) {
        request.buffer = null;
        request.parent = null;
        request.owner = null;
        request.waiter = null;
        request.version = null;
        freeRequests.push(request);
    }

    @Override
    public void schedule(LaneTimer timer, long delayNanos) {
        if (timer.isQueued()) {
            timers.remove(timer);
        }
        timer.arm(clock.nanoTime() + delayNanos);
        timers.add(timer);
    }

    /**
     * Makes a timer not run and forgets it. A timer that is only {@linkplain LaneTimer#cancel
     * cancelled} keeps what it refers to until its time has come.
     */
    public void forget(LaneTimer timer) {
        timer.cancel();
        if (timer.isQueued()) {
            timers.remove(timer);
            timer.disarm();
        }
    }

    @Override
    public void atEndOfTurn(Runnable task) {
        endOfTurn.add(task);
    }
}
