import { AgentPanel } from "@gtc-tech/agent-core-ui";
import "@gtc-tech/agent-core-ui/style.css";
import { useState } from "react";
import { createRoot } from "react-dom/client";
import "./page.css";

const address = document.querySelector("meta[name=agent]").content;

// What a cancel came to, which the panel itself does not show.
function Receipt({ receipt }) {
  return (
    <p className="receipt">
      {`${receipt.reason}; ended after ${receipt.duration} ms, cleanup: ${receipt.cleanup}; `}
      {`interrupted: ${receipt.interrupted.join(", ") || "nothing"}`}
    </p>
  );
}

function App() {
  const [result, setResult] = useState(null);
  // Callbacks must stay the same from one rendering to the next, as setResult does: a new
  // onTaskComplete is called again, a new onError makes the panel connect again.
  return (
    <>
      <AgentPanel wsUrl={address} theme="light" onTaskComplete={setResult} />
      {result?.receipt && <Receipt receipt={result.receipt} />}
    </>
  );
}

createRoot(document.getElementById("root")).render(<App />);
