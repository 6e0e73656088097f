// Types for tsc alone, of what the scripts of pages get from outside: the frames of sockets (docs/websocket.md), the
// events that our scripts dispatch, and the libraries in vendor/.

// ── Frames ───────────────────────────────────────────────────────────
type FrameOf<Name extends string, Data> = { type: "system_event"; event_type: Name; data: Data };
type OfRun = { task_id: string | null; run_id: string; seq: number; timestamp: string };
type OfTask = { id: string; status: string; project_id: string | null; blocks: string[]; blocked_by: string[]; updated_at: string };
type Capacity = { limit: number; running: number; queued: number; waiting: number; available: number };
type Usage = { model: string | null; input_tokens: number | null; output_tokens: number | null; cost_usd: number | null };
type Question = {
  id: string;
  task_id: string | null;
  run_id: string;
  kind: "question" | "approval";
  text: string;
  tool: { name: string } | null;
};
type Activity = {
  id: string;
  type: string;
  task_id: string | null;
  metadata: { placed?: boolean; deleted_task?: string; deleted_project?: string };
};

type Frame =
  | FrameOf<"mc_task_started", OfRun & { agent_id: string | null; agent_name: string; task_title: string }>
  | FrameOf<"mc_task_output", OfRun & { content: string; output_type: string }>
  | FrameOf<
      "mc_run_parked",
      OfRun & { parked_for: "question" | "quota"; resumes_at: string | null; question_id: string | null; message: string }
    >
  | FrameOf<"mc_run_resumed", OfRun & { agent_id: string | null; message: string }>
  | FrameOf<"mc_run_usage", { task_id: string | null; run_id: string; usage: Usage; timestamp: string }>
  | FrameOf<"mc_task_completed", OfRun & { agent_id: string | null; status: string; error: string | null }>
  | FrameOf<"dw_planning_phase", OfRun & { project_id: string; phase: string; message: string }>
  | FrameOf<"dw_planning_complete", OfRun & { project_id: string; status: string; title: string; error: string | null }>
  | FrameOf<"mc_question_created" | "mc_question_answered", { question: Question }>
  | FrameOf<"mc_activity_created", { activity: Activity }>
  | FrameOf<"mc_task_updated", { task: OfTask }>
  | FrameOf<"mc_project_updated", { project: { id: string } }>
  | FrameOf<"mc_capacity", Capacity>
  // On /ws/pages only:
  | FrameOf<"page_notifications", { count: number }>
  | FrameOf<"page_lines", { lines: Record<string, string> }>;

/** A stretch of a run's output, rendered by the server. */
type OutputFrame = { type: "output"; last: number; known: number; restarts: boolean; ended: boolean; html: string };

// ── Events ───────────────────────────────────────────────────────────
interface DocumentEventMap {
  /** A frame has arrived. */
  "mc:frame": CustomEvent<Frame>;
  /** Something of these kinds may have changed, such as `mc:task` or `mc:task:ID`. */
  "mc:wake": CustomEvent<Set<string>>;
  /** Newer markup of a part, before it is shown. */
  "mc:fresh": CustomEvent<Element>;
  /** Newer markup of a part that is not shown yet, because it would move what the user points at. */
  "mc:held": CustomEvent<Element>;
  /** A part of the page is shown in its newer version. */
  "mc:placed": CustomEvent<HTMLElement>;
}

interface HTMLElementEventMap {
  "htmx:afterSwap": CustomEvent<{ elt?: HTMLElement }>;
  "htmx:beforeSwap": CustomEvent<{ elt?: HTMLElement; serverResponse: string }>;
  "htmx:responseError": CustomEvent<{ xhr: XMLHttpRequest; requestConfig: { verb: string } }>;
  "htmx:sendError": CustomEvent<{ requestConfig: { verb: string } }>;
}

// ── Libraries ────────────────────────────────────────────────────────
interface Window {
  htmx?: typeof import("htmx.org").default;
  Idiomorph: typeof import("idiomorph").Idiomorph;
}
