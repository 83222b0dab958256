package io.c2crelay.agent.connect;

import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.Security;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Resolves names with the system resolver (hosts file, DNS) off the event loops. Time, threads and
 * queue are bounded, so a name server that does not answer cannot block the agent. Concurrent
 * lookups of one name share the result.
 */
public final class NameResolver {
  private static final int THREADS = 2;
  private static final int MAX_QUEUED = 64;
  private static final int IDLE_THREAD_SECONDS = 30;
  private static final int TIMEOUT_SECONDS = 5;

  private final ThreadPoolExecutor executor;
  private final Map<String, CompletableFuture<List<InetAddress>>> pending =
      new ConcurrentHashMap<>();

  private NameResolver(ThreadPoolExecutor executor) {
    this.executor = executor;
  }

  /**
   * A resolver with its own threads. Disables the DNS cache of the JVM, since the relay's address
   * may change at any time.
   */
  public static NameResolver create() {
    Security.setProperty("networkaddress.cache.ttl", "0");
    Security.setProperty("networkaddress.cache.negative.ttl", "0");
    ThreadPoolExecutor executor =
        new ThreadPoolExecutor(
            THREADS,
            THREADS,
            IDLE_THREAD_SECONDS,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(MAX_QUEUED),
            new DefaultThreadFactory("resolve", true));
    executor.allowCoreThreadTimeOut(true);
    return new NameResolver(executor);
  }

  /**
   * All addresses of a name or literal address, in the system resolver's order.
   *
   * @return completes on {@code loop} within 5 s, with at least one address or an {@link
   *     UnknownHostException}
   */
  public Future<List<InetAddress>> resolve(String host, EventExecutor loop) {
    Promise<List<InetAddress>> result = loop.newPromise();
    Future<?> timeout =
        loop.schedule(
            () -> result.tryFailure(new UnknownHostException("name lookup timed out after 5 s")),
            TIMEOUT_SECONDS,
            TimeUnit.SECONDS);
    result.addListener(done -> timeout.cancel(false));
    lookUp(host)
        .whenComplete(
            (addresses, failure) -> {
              if (addresses != null) {
                result.trySuccess(addresses);
              } else {
                result.tryFailure(failure);
              }
            });
    return result;
  }

  private CompletableFuture<List<InetAddress>> lookUp(String host) {
    CompletableFuture<List<InetAddress>> fresh = new CompletableFuture<>();
    CompletableFuture<List<InetAddress>> shared = pending.putIfAbsent(host, fresh);
    if (shared != null) {
      return shared;
    }
    try {
      executor.execute(() -> lookUp(host, fresh));
    } catch (RejectedExecutionException e) {
      pending.remove(host);
      fresh.completeExceptionally(new UnknownHostException("too many pending name lookups"));
    }
    return fresh;
  }

  private void lookUp(String host, CompletableFuture<List<InetAddress>> result) {
    try {
      List<InetAddress> addresses = Arrays.asList(InetAddress.getAllByName(host));
      pending.remove(host); // before completion, so that later calls start a new lookup
      result.complete(Collections.unmodifiableList(addresses));
    } catch (UnknownHostException | RuntimeException e) {
      pending.remove(host);
      result.completeExceptionally(e);
    }
  }
}
