// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.cli.CliServer;
import dev.varve.hv.http.HttpLimits;
import dev.varve.hv.http.HttpServer;
import dev.varve.hv.http.Route;
import dev.varve.hv.http.Router;
import dev.varve.hv.metrics.ApiMetrics;
import dev.varve.hv.metrics.Metric;
import dev.varve.hv.metrics.MetricsPage;
import dev.varve.hv.metrics.ProcessMetrics;
import dev.varve.hv.metrics.Samples;
import dev.varve.hv.metrics.StorageMetrics;
import dev.varve.hv.state.SqliteStateStore;
import dev.varve.hv.state.StateStore;
import dev.varve.hv.storage.Attachments;
import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.Healer;
import dev.varve.hv.storage.SrManager;
import dev.varve.hv.storage.StorageEngine;
import dev.varve.hv.storage.StorageEngineFactory;
import dev.varve.hv.storage.StorageEnvironment;
import dev.varve.hv.tls.HostCertificate;
import dev.varve.hv.transfer.ExportHandler;
import dev.varve.hv.transfer.ImportHandler;
import dev.varve.hv.transfer.TransferLimit;
import dev.varve.hv.xenapi.Caller;
import dev.varve.hv.xenapi.CurrentOperations;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Dispatcher;
import dev.varve.hv.xenapi.Events;
import dev.varve.hv.xenapi.Handlers;
import dev.varve.hv.xenapi.JsonRpc;
import dev.varve.hv.xenapi.Passwords;
import dev.varve.hv.xenapi.Records;
import dev.varve.hv.xenapi.Sessions;
import dev.varve.hv.xenapi.Tasks;
import dev.varve.hv.xenapi.Values;
import dev.varve.hv.xenapi.XmlRpc;
import dev.varve.hv.xenapi.resource.Resources;
import dev.varve.hv.xenapi.resource.SmRows;
import dev.varve.hv.xenapi.resource.Toolstack;
import dev.varve.hv.xenapi.resource.VdiTransfers;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;
import dev.varve.vdi.time.Threads;
import dev.varve.vdi.time.Waiting;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The daemon of one host: state, API, storage and the way in for clients.
 *
 * <p><b>Threads:</b> start and stop are called once each, from any thread.
 *
 * <p><b>Durability:</b> a daemon that is killed leaves nothing behind that the next start cannot do
 * with.
 */
public final class VarveDaemon implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(VarveDaemon.class);
    private static final int MAX_REQUEST_BYTES = 4 * 1024 * 1024;
    private static final int MAX_COMMAND_BYTES = 1024 * 1024;
    private static final long FIRST_PLUG_MILLIS = 1000;
    private static final long STOP_SECONDS = 20;

    /** Where time, randomness and data come from. */
    public record Parts(
            Clock clock,
            RandomSource random,
            Scheduler scheduler,
            Drivers drivers,
            StorageEngineFactory engine) {}

    private final Path home;
    private final ArrayDeque<AutoCloseable> opened = new ArrayDeque<>();
    private Database database;
    private Dispatcher dispatcher;
    private HttpServer server;
    private Network network;
    private boolean started;

    private VarveDaemon(Path home) {
        this.home = home;
    }

    /** Starts a daemon; when this fails, nothing of it is left running. */
    public static VarveDaemon start(Path home, Parts parts) throws IOException {
        VarveDaemon daemon = new VarveDaemon(home.toAbsolutePath().normalize());
        try {
            daemon.open(parts);
            return daemon;
        } catch (IOException | RuntimeException e) {
            daemon.close();
            throw e;
        }
    }

    /** The directory of the daemon. */
    public Path home() {
        return home;
    }

    /** The socket file that clients connect to. */
    public Path socket() {
        return home.resolve("run").resolve("xapi.sock");
    }

    /** Calls without a connection, as by the socket's owner. */
    public Dispatcher dispatcher() {
        return dispatcher;
    }

    /** All objects of the API, for a program that runs a daemon inside itself. */
    public Database database() {
        return database;
    }

    /** Where it listens for the API now. */
    public List<HttpServer.Listener> listeners() {
        return server.listeners();
    }

    private <T extends AutoCloseable> T keep(T part) {
        opened.push(part);
        return part;
    }

    private void open(Parts parts) throws IOException {
        Clock clock = parts.clock();
        long startedNanos = clock.nanoTime();
        makeDirectories();
        keep(HomeLock.take(home.resolve("run")));
        keep(parts.scheduler());
        StateStore store =
                keep(
                        SqliteStateStore.open(
                                home.resolve("state").resolve("state.db"),
                                clock,
                                parts.scheduler()));
        Settings settings =
                Settings.read(home, System.getProperty("user.name").equals(Passwords.USER));
        HostCertificate certificate =
                HostCertificate.open(
                        home.resolve("tls"),
                        HostRows.hostName(),
                        Instant.ofEpochMilli(clock.epochMillis()),
                        parts.random());
        database = new Database(ApiSchema.XENAPI, store);
        String host = HostRows.ensure(database, clock, parts.random(), settings.pool());
        SmRows.ensure(database, parts.drivers(), DaemonInfo.version());
        Tasks tasks = new Tasks(database, clock, parts.random());
        tasks.residentOn(host);
        Passwords passwords =
                new Passwords(store, parts.random(), parts.scheduler(), Waiting.threads());
        Sessions sessions = new Sessions(database, clock, parts.random(), passwords);
        sessions.host(host);
        Executor workers = workers();
        StorageEngine engine = keep(parts.engine().open(setting(parts, database, host)));
        StorageEnvironment env =
                new StorageEnvironment(
                        home,
                        host,
                        database,
                        new CurrentOperations(database::touch),
                        tasks,
                        parts.drivers(),
                        engine,
                        clock,
                        parts.random(),
                        parts.scheduler(),
                        workers,
                        settings.chains());
        SrManager repositories = new SrManager(env, settings.whenFull());
        Attachments attachments = new Attachments(env, repositories);
        Healer healer = new Healer(env, repositories, attachments);
        Toolstack stack = new Toolstack(env, repositories, attachments, healer);
        Resources resources = new Resources(stack);
        Records records = new Records(database, resources.computed(ApiSchema.XENAPI));
        Handlers handlers =
                Handlers.standard(ApiSchema.XENAPI, database, records, sessions, passwords, tasks);
        resources.bind(handlers);
        ApiMetrics calls = new ApiMetrics(database);
        new Events(database, records, sessions, clock).bind(handlers);
        NbdNames names = new NbdNames(sessions, database, attachments, certificate);
        bindOwn(handlers, clock, certificate.pem(), names);
        dispatcher =
                new Dispatcher(
                        ApiSchema.XENAPI,
                        sessions,
                        tasks,
                        clock,
                        workers,
                        handlers,
                        stack::checkCapability,
                        calls);
        keep(() -> healer.stop(STOP_SECONDS));
        awaitFirstPlugs(healer);
        DaemonControl control =
                new DaemonControl(home, env, repositories, attachments, passwords, startedNanos);
        CliServer cli =
                new CliServer(ApiSchema.XENAPI, dispatcher, database, records, tasks, control);
        MetricsPage metrics =
                new MetricsPage()
                        .with(new StorageMetrics(database, repositories, attachments, engine))
                        .with(calls)
                        .with(new ProcessMetrics());
        Guard guard = new Guard(sessions, passwords);
        List<Route> routes = new ArrayList<>(routes(dispatcher, cli, guard.protect(metrics)));
        routes.addAll(transfers(guard, stack, tasks, clock));
        server = keep(new HttpServer(new Router(routes), workers));
        metrics.with(this::countConnections);
        network = keep(new Network(settings, passwords, certificate, server, engine, names));
        control.network(network);
        server.listen(socket(), HttpLimits.LOCAL);
        network.start();
        started = true;
        long millis = TimeUnit.NANOSECONDS.toMillis(clock.nanoTime() - startedNanos);
        LOG.info("varve {} started under {} in {} ms", DaemonInfo.version(), home, millis);
    }

    /** What only the daemon as a whole can tell. */
    private void bindOwn(Handlers handlers, Clock clock, String pem, NbdNames names) {
        handlers.bind("system.listMethods", _ -> dispatcher.methods())
                .bind(
                        "host.get_servertime",
                        call -> {
                            database.get("host", call.self());
                            return Values.time(clock.epochMillis());
                        })
                .bind(
                        "host.get_server_certificate",
                        call -> {
                            database.get("host", call.self());
                            return pem;
                        })
                .bind("VDI.get_nbd_info", call -> names.servers(call, network.nbdTls()));
    }

    private void countConnections(Samples samples) {
        samples.add(
                Metric.HTTP_CONNECTIONS,
                server.listeners().stream().mapToLong(HttpServer.Listener::connections).sum());
    }

    private void makeDirectories() throws IOException {
        Files.createDirectories(home);
        for (String name : List.of("run", "log", "state")) {
            Path directory = Files.createDirectories(home.resolve(name));
            Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
        }
    }

    private static Executor workers() {
        var threads = Threads.virtualFactory("varve-work-");
        return work -> threads.newThread(work).start();
    }

    private StorageEngineFactory.Setting setting(Parts parts, Database database, String host) {
        UUID uuid = UUID.fromString(database.get("host", host).uuid());
        return new StorageEngineFactory.Setting(
                home, uuid, parts.clock(), parts.random(), parts.scheduler());
    }

    /** What is plugged in quickly is there when clients come; what is not goes on by itself. */
    private static void awaitFirstPlugs(Healer healer) {
        try {
            healer.start().get(FIRST_PLUG_MILLIS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            LOG.info("some repositories are not there yet; they are tried in the background");
        } catch (ExecutionException e) {
            LOG.error("a repository could not be looked after", e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static List<Route> transfers(Guard guard, Toolstack stack, Tasks tasks, Clock clock) {
        VdiTransfers transfers = new VdiTransfers(stack);
        TransferLimit limit = new TransferLimit();
        return List.of(
                new Route(
                        "GET",
                        "/export_raw_vdi",
                        0,
                        guard.protect(new ExportHandler(transfers, tasks, clock, limit))),
                new Route(
                        "PUT",
                        "/import_raw_vdi",
                        0,
                        guard.protect(new ImportHandler(transfers, tasks, clock, limit))));
    }

    private static List<Route> routes(
            Dispatcher dispatcher, CliServer cli, Route.Exchange metrics) {
        JsonRpc json = new JsonRpc(dispatcher);
        XmlRpc xml = new XmlRpc(dispatcher, ApiSchema.XENAPI);
        return List.of(
                new Route(
                        "POST",
                        "/jsonrpc",
                        MAX_REQUEST_BYTES,
                        call("application/json", json::answer)),
                // Also /RPC2 and /xmlrpc: the longest path that fits takes a request.
                new Route("POST", "/", MAX_REQUEST_BYTES, call("text/xml", xml::answer)),
                new Route("OPTIONS", "/", 0, (Route.Exchange) CrossOrigin::answer),
                new Route("POST", "/cli", MAX_COMMAND_BYTES, cli),
                new Route("GET", "/metrics", 0, metrics));
    }

    /** What answers calls in one of the protocols. */
    private interface Protocol {
        byte[] answer(Caller caller, byte[] request) throws IOException;
    }

    private static Route.Exchange call(String contentType, Protocol protocol) {
        return request ->
                new Route.Response(
                        200, contentType, protocol.answer(request.caller(), request.body()));
    }

    /** Stops everything, last opened first. What is plugged in stays wanted. */
    @Override
    public void close() {
        while (!opened.isEmpty()) {
            AutoCloseable part = opened.pop();
            try {
                part.close();
            } catch (Exception e) {
                LOG.error("a part of the daemon could not be stopped", e);
            }
        }
        if (started) {
            LOG.info("varve stopped");
        }
    }
}
